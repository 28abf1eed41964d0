"""Read a random sample of the project's texts: ``python -m impulsum_pipelines_tests.docs.sample [SEED [COUNT]]``.

Docstrings, messages (string constants with a sentence in them) and descriptions of columns and models, from every room
alike, so that a large room does not fill the sample. The same seed gives the same sample of the same texts.
"""

from __future__ import annotations

import ast
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator

import yaml

from impulsum_pipelines_tests.places import ROOT
from impulsum_pipelines_tests.structure import House

#: A sentence: a capital letter, some words, a full stop; not SQL, a name or a label.
SENTENCE = re.compile(r"[A-Z`\"]\S*(?:\s+\S+){4,}[.!?)]", re.DOTALL)


def sample(seed: int, count: int) -> list[tuple[str, str]]:
    """Places and texts, drawn room by room."""
    by_room: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for room, place, text in (*_of_code(), *_of_models()):
        if SENTENCE.fullmatch(text.strip()):
            by_room[room].append((place, text))
    draw = random.Random(seed)
    for texts in by_room.values():
        draw.shuffle(texts)
    rooms = sorted(by_room)
    return [by_room[rooms[number % len(rooms)]].pop() for number in range(count) if by_room[rooms[number % len(rooms)]]]


def _of_code() -> Iterator[tuple[str, str, str]]:
    for module in House().modules.values():
        if not module.parts:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                place = f"{module.path.relative_to(ROOT)}:{node.lineno}"
                yield module.parts[0], place, node.value


def _of_models() -> Iterator[tuple[str, str, str]]:
    for path in sorted((ROOT / "dbt_project" / "models").rglob("_*__models.yml")):
        for model in yaml.safe_load(path.read_text())["models"]:
            for described in (model, *model.get("columns", ())):
                if text := described.get("description"):
                    yield "dbt", f"{path.relative_to(ROOT)}: {model['name']}.{described['name']}", text


def main(arguments: list[str]) -> None:
    """Print the sample, numbered."""
    seed, count, *_ = [*map(int, arguments), *(1, 50)[len(arguments) :]]
    for number, (place, text) in enumerate(sample(seed, count), start=1):
        print(f"{number:>2}. {place}\n    {' '.join(text.split())}\n")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
