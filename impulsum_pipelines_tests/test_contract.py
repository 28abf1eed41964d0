"""What people and programs rely on is what ``contract.json`` says: one test a section."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.contract import ON_PURPOSE, Contract, changes, differences, held, make

pytestmark = pytest.mark.xdist_group("contract")  # made once for the whole file

SECTIONS = (
    "assets",
    "asset checks",
    "jobs",
    "schedules",
    "sensors",
    "settings",
    "commands",
    "raw",
    "published",
    "rows",
    "files",
    "exit codes",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """The contract of the code as it is."""
    return make(tmp_path_factory.mktemp("contract"))


@pytest.mark.long
@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_changed_that_others_rely_on(section: str, made: Contract) -> None:
    changed = changes(section, held(), made)
    assert not changed, "\n".join([*changed, ON_PURPOSE])


@pytest.mark.long
def test_every_section_is_compared(made: Contract) -> None:
    assert set(SECTIONS) == set(made) == set(held())


def test_differences_are_named() -> None:
    before = {"t": {"key": "id", "columns": ["id VARCHAR", "at DATE", "n BIGINT"]}, "old": "x", "same": 1}
    now = {"t": {"key": "id", "columns": ["n INTEGER", "id VARCHAR", "new JSON"]}, "fresh": None, "same": 1}
    assert differences(before, now) == [
        "added    fresh: null",
        "removed  old: x",
        "removed  t columns at DATE",
        "added    t columns new JSON",
        "changed  t columns n BIGINT is now n INTEGER",
        "changed  t columns: the order is now n, id, new",
    ]
    assert differences({"hash": "a"}, {"hash": "b"}) == ["changed  hash: a is now b"]
    assert differences(before, before) == []
