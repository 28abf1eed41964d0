"""What people and programs rely on is what ``contract.json`` says: one test per section."""

from __future__ import annotations

import pytest

from impulsum_pipelines_tests.contract import BUILT, DECLARED, ON_PURPOSE, Contract
from impulsum_pipelines_tests.contract import built as building
from impulsum_pipelines_tests.contract import declared as declaring
from impulsum_pipelines_tests.contract.compare import changes, differences, written

pytestmark = pytest.mark.xdist_group("contract")  # made once for the whole file


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """What the code says of itself."""
    return declaring.declared(tmp_path_factory.mktemp("declared"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    """What is seen after syncs and a build."""
    return building.built(tmp_path_factory.mktemp("built"))


@pytest.mark.parametrize("section", DECLARED)
def test_what_is_declared_has_not_changed(section: str, declared: Contract) -> None:
    changed = changes(section, written(), declared)
    assert not changed, "\n".join([*changed, ON_PURPOSE])


@pytest.mark.long
@pytest.mark.parametrize("section", BUILT)
def test_what_is_built_has_not_changed(section: str, built: Contract) -> None:
    changed = changes(section, written(), built)
    assert not changed, "\n".join([*changed, ON_PURPOSE])


@pytest.mark.long
def test_every_section_is_compared(declared: Contract, built: Contract) -> None:
    assert (set(declared), set(built)) == (set(DECLARED), set(BUILT))
    assert set(written()) == {*DECLARED, *BUILT}


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
