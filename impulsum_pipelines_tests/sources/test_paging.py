"""A list that never ends is an error, a list that ends is read to its end."""

from __future__ import annotations

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.paging import MOST_EMPTY_PAGES, Paging


@pytest.fixture
def paging() -> Paging:
    return Paging("Jira", "/search")


@pytest.mark.parametrize("end", [None, ""])
def test_a_page_without_a_cursor_is_the_last(paging: Paging, end: str | None) -> None:
    assert paging.next("a") == "a"
    assert paging.next("b", found=50) == "b"
    assert paging.next(end) is None
    assert paging.pages == 3


def test_a_cursor_that_comes_back_is_an_outage(paging: Paging) -> None:
    paging.next("a")
    paging.next("b")
    with pytest.raises(ImpulsumError, match=r"Jira sent a list .*: a page repeats \(Jira /search, page 3\)") as failure:
        paging.next("a")
    assert failure.value.category is Category.SOURCE_OUTAGE
    assert failure.value.retryable


def test_empty_pages_are_followed_up_to_a_limit(paging: Paging) -> None:
    for number in range(MOST_EMPTY_PAGES):
        assert paging.next(f"a{number}", found=0)
    with pytest.raises(ImpulsumError, match="the last 21 pages are empty"):
        paging.next("b", found=0)


def test_only_empty_pages_in_a_row_count(paging: Paging) -> None:
    for number in range(3 * MOST_EMPTY_PAGES):
        assert paging.next(str(number), found=number % MOST_EMPTY_PAGES == 0)


def test_the_last_page_may_be_empty(paging: Paging) -> None:
    for number in range(MOST_EMPTY_PAGES):
        paging.next(str(number), found=0)
    assert paging.next(None, found=0) is None
