"""docs/proof.md: what only `make proof` runs has a short twin in `make test`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from impulsum_pipelines_tests.places import ROOT

TESTS = ROOT / "impulsum_pipelines_tests"
PAGE = (ROOT / "docs" / "proof.md").read_text()
#: Rows of the table: what proves at length, and its twins, as links to the files.
_TEST = re.compile(r"\[`(\w+)`\]\(\.\./impulsum_pipelines_tests/([\w/]+\.py)\)")


def test_what_only_the_proof_runs_has_a_short_twin() -> None:
    tests = dict(_tests())
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| [`test_")]
    at_length = {(file, name) for row in rows for name, file in _TEST.findall(row[0])}
    twins = {(file, name) for row in rows for name, file in _TEST.findall(row[1])}
    assert all(_TEST.findall(row[1]) or row[1].startswith(" none: ") for row in rows), (
        "a row without a twin or a reason"
    )
    assert at_length == {test for test, is_exhaustive in tests.items() if is_exhaustive}
    assert {twin for twin in twins if tests.get(twin, True)} == set(), "twins that are missing, or exhaustive too"


def _tests() -> Iterator[tuple[tuple[str, str], bool]]:
    """Each test as (file, name), and whether all of its cases are exhaustive."""
    for file in sorted(TESTS.rglob("test_*.py")):
        module = ast.parse(file.read_text())
        marks = [ast.unparse(n.value) for n in module.body if isinstance(n, ast.Assign) and _names(n) == {"pytestmark"}]
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = [ast.unparse(decorator) for decorator in node.decorator_list]
                # A mark inside `parametrize` is of one case: then the other cases are the short twins.
                whole = [mark for mark in (*marks, *own) if not mark.startswith("pytest.mark.parametrize")]
                where = file.relative_to(TESTS).as_posix()
                yield (where, node.name), any("mark.exhaustive" in mark for mark in whole)


def _names(assignment: ast.Assign) -> set[str]:
    return {target.id for target in assignment.targets if isinstance(target, ast.Name)}
