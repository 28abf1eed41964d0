"""The house: few rooms, imports one way, small folders, six source folders of one shape, and one meaning per name.

``python -m impulsum_pipelines_tests.structure`` prints what is bounded here.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from impulsum_pipelines_tests.places import ROOT
from impulsum_pipelines_tests.structure import (
    ORDER,
    PACKAGE,
    SOURCE_FILES,
    SOURCE_FUNCTIONS,
    House,
    report,
)

#: The package is parsed once for the whole file.
pytestmark = pytest.mark.xdist_group("structure")

MOST_ROOMS = 20
MOST_FILES = 12
#: Folders of tests that mirror no folder of the package: what they test is the project as a whole.
OF_THE_WHOLE = {"bench", "docs", "end_to_end"}


@pytest.fixture(scope="module")
def house() -> House:
    """The project as it stands."""
    found = House()
    print(report(found))  # noqa: T201  # pytest shows it beside a failure
    return found


def test_few_rooms_and_each_has_its_place_in_the_order(house: House) -> None:
    assert len(house.rooms) <= MOST_ROOMS
    assert set(house.rooms) == set(ORDER)


def test_imports_run_downwards_and_in_no_circle(house: House) -> None:
    assert house.circles() == []
    assert house.upward() == []


def test_no_folder_has_many_files(house: House) -> None:
    counted = house.files_per_folder(PACKAGE, f"{PACKAGE}_tests")
    assert {folder: files for folder, files in counted.items() if files > MOST_FILES} == {}


def test_tests_mirror_the_package(house: House) -> None:
    tests = ROOT / f"{PACKAGE}_tests"
    folders = [path.parent.relative_to(tests) for path in tests.rglob("test_*.py")]
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] not in OF_THE_WHOLE}
    marts = ROOT / "dbt_project" / "models"
    assert [
        str(folder) for folder in mirrored if not ((house.package / folder).is_dir() or (marts / folder).is_dir())
    ] == []
    without = {room for room in house.rooms if (house.package / room).is_dir()} - {
        folder.parts[0] for folder in mirrored
    }
    assert without == set()


def test_the_six_source_folders_have_one_shape(house: House) -> None:
    for name, files in house.sources().items():
        assert set(SOURCE_FILES) <= set(files), name
        for short, functions in SOURCE_FUNCTIONS.items():
            assert functions <= set(files[short].functions()), f"{name}/{short}.py"
        for short in set(files) - set(SOURCE_FILES):
            first = (files[short].path.read_text().split('"""')[1]).split("\n\n")[0]
            assert "part from" in first or "because" in first, (
                f"{name}/{short}.py: its first line says why it is a file"
            )


def test_one_meaning_per_name(house: House) -> None:
    assert house.repeated_classes() == {}
    assert house.repeated_functions() == {}
    assert house.vague_functions() == []


def test_each_kind_of_disorder_is_found(tmp_path: Path) -> None:
    """A small package with everything that the tests above forbid."""
    for path, text in {
        "errors.py": "from impulsum_pipelines.cli import run\n\n\ndef tell(): ...\n",
        "cli/__init__.py": "def run(): ...\n",
        "loading/raw.py": "from impulsum_pipelines.alerts.store import save\n\n\nclass Row: ...\n",
        "alerts/store.py": "from impulsum_pipelines.loading.raw import Row\n\n\ndef save(): ...\n\n\nclass Row: ...\n",
        "alerts/outbox.py": "def save(): ...\n",
        "sources/jira/rows.py": "def issue(): ...\n",
        "sources/github/rows.py": "def issue(): ...\n",
    }.items():
        file = tmp_path / PACKAGE / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / PACKAGE / "alerts" / "__init__.py").touch()
    found = House(tmp_path)
    assert len(found.circles()) == 2
    assert found.circles()[1] in {f"{PACKAGE}: {a} -> {b} -> {a}" for a, b in permutations(("alerts", "loading"))}
    assert found.upward() == [
        "impulsum_pipelines.errors imports impulsum_pipelines.cli",
        "impulsum_pipelines.loading.raw imports impulsum_pipelines.alerts.store",
    ]
    assert found.repeated_classes() == {"Row": ["impulsum_pipelines.alerts.store", "impulsum_pipelines.loading.raw"]}
    assert found.repeated_functions() == {
        "save": ["impulsum_pipelines.alerts.outbox", "impulsum_pipelines.alerts.store"]
    }
    assert found.vague_functions() == ["impulsum_pipelines.errors: tell"]
    assert found.files_per_folder(PACKAGE)[f"{PACKAGE}/alerts"] == 2
