"""The generated pages of the documentation are up to date."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.docs import generate


def test_generated_pages_are_up_to_date() -> None:
    assert generate.stale() == [], "run `make docs`"


def test_a_page_that_was_edited_by_hand_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(generate.PAGES, "settings.md", lambda: "something else")
    assert [path.name for path in generate.stale()] == ["settings.md"]
