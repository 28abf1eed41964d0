"""The mapping file: people say which account belongs to which person.

``people.csv`` in ``IMPULSUM_HOME`` (or the file that ``IMPULSUM_PEOPLE`` names) has the columns
``tool,account,person``: an account as in ``core.person_accounts``, and any e-mail address of the person. It is used for
accounts that no verified address links to a person. Names are never compared.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import SOURCES

COLUMNS = ("tool", "account", "person")


def mapping_file(settings: Settings) -> Path:
    """Path of the mapping file, which may not exist."""
    return (settings.impulsum_people or settings.home / "people.csv").expanduser().absolute()


def copy_mapping(settings: Settings, folder: Path) -> int:
    """Check the mapping file and write a clean copy as ``people.csv`` into a folder; an empty one if there is no file.

    Returns:
        Number of mapped accounts.

    Raises:
        ImpulsumError: of category configuration, naming the wrong line and why it is wrong.
    """
    rows = list(_read(mapping_file(settings), named=settings.impulsum_people is not None))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "people.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return len(rows)


def _read(path: Path, *, named: bool) -> Iterator[tuple[str, str, str]]:
    """The lines as (tool, account, address of the person in lower case); comments and empty lines are skipped."""
    try:
        # A spreadsheet may write a byte order mark at the beginning.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        if named:
            raise _wrong(path, None, "it does not exist") from None
        return
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, None, f"it cannot be read as UTF-8 text ({type(error).__name__})") from None
    tools = {source.name for source in SOURCES}
    seen: dict[tuple[str, str], int] = {}
    header = False
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = tuple(field.strip() for field in next(csv.reader([line])))
        if not header:
            if fields != COLUMNS:
                raise _wrong(path, number, f"the first line must be {','.join(COLUMNS)}")
            header = True
            continue
        if len(fields) != len(COLUMNS) or not all(fields):
            raise _wrong(path, number, f"it needs {len(COLUMNS)} values: {', '.join(COLUMNS)}")
        tool, account, person = fields[0].lower(), fields[1], fields[2].lower()
        if tool not in tools:
            raise _wrong(path, number, f"{tool!r} is none of {', '.join(sorted(tools))}")
        if "@" not in person.strip("@"):
            raise _wrong(path, number, f"{person!r} is not an e-mail address; name each person by an e-mail address")
        if (tool, account) in seen:
            raise _wrong(path, number, f"{tool} {account} is already on line {seen[tool, account]}")
        seen[tool, account] = number
        yield tool, account, person


def _wrong(path: Path, line: int | None, why: str) -> ImpulsumError:
    return ImpulsumError(
        Category.CONFIGURATION,
        f"The mapping file {path.name} cannot be used: {why}",
        where=str(path) if line is None else f"{path}, line {line}",
        safe="Nothing was built; the published file is unchanged.",
        next_step='correct the file and build again; `impulsum sql "from core.person_accounts where not is_resolved"` '
        "lists the accounts that it can map.",
    )
