"""Plain language: no text of the project uses a phrase that the glossary rejects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from impulsum_pipelines_tests.places import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
#: Texts of ours; the glossary itself must name what it rejects.
TEXTS = ("*.md", "Makefile", "pyproject.toml", "docs/**/*.md", "dbt_project/**/*.sql", "dbt_project/**/*.yml")
CODE = ("impulsum_pipelines/**/*", "impulsum_pipelines_tests/**/*.py")
WRITTEN_BY_TOOLS = {"target", "logs", "__pycache__"}
#: Shapes that no list of words can hold: "one row a sync".
SHAPES = (r"\bone\s+(?:row|line|sentence|request|event|file|asset|test|entry|message|alert|record|table)\s+an?\s+\w+",)


def rejected() -> list[str]:
    """The phrases in the glossary's table of what not to write."""
    (table,) = re.findall(r"\| rejected by a test \| write \|\n\|---\|---\|\n((?:\|.*\n)+)", GLOSSARY.read_text())
    cells = [row.split("|")[1] for row in table.splitlines()]
    return [phrase.strip() for cell in cells for phrase in cell.split(",")]


def pattern() -> re.Pattern[str]:
    """Any rejected phrase, over a line's end too."""
    words = [r"\s+".join(map(re.escape, phrase.split())) for phrase in rejected()]
    # A word in quotes, and an attribute, is a name that is stored or published: the outcome "told".
    return re.compile(rf"(?<![\"'`.])\b(?:{'|'.join(words)})\b(?![\"'`]|:)|{'|'.join(SHAPES)}", re.IGNORECASE)


def texts(root: Path = ROOT) -> Iterator[Path]:
    """Every file in which people read words."""
    for shape in (*TEXTS, *CODE):
        for path in sorted(root.glob(shape)):
            if path.is_file() and not WRITTEN_BY_TOOLS.intersection(path.parts) and path != GLOSSARY:
                yield path


def findings(root: Path = ROOT) -> list[str]:
    """Each place with a rejected phrase, as ``path:line: phrase``."""
    found, wanted = [], pattern()
    for path in texts(root):
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in wanted.finditer(text) if path != Path(__file__) else ():
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(root)}:{line}: {' '.join(match[0].split())}")
    return found


def test_no_text_uses_a_rejected_phrase() -> None:
    found = findings()
    assert not found, "docs/glossary.md says what to write instead:\n" + "\n".join(found)


def test_a_rejected_phrase_is_found(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("It keeps one row\na sync.\n\nNobody is told.\nOne row a thing, built ANEW.\n")
    assert findings(tmp_path) == [
        "README.md:1: one row a sync",
        "README.md:4: told",
        "README.md:5: One row a thing",
        "README.md:5: ANEW",
    ]
