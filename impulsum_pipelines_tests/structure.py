"""How the package is built: rooms, imports, files per folder, names. ``python -m impulsum_pipelines_tests.structure``.

It reads the source as text and imports nothing of it, so that it can also measure another checkout
(``python -m impulsum_pipelines_tests.structure DIRECTORY``). ``docs/test_structure.py`` bounds what it finds.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from impulsum_pipelines_tests.places import ROOT

PACKAGE = "impulsum_pipelines"

#: The rooms from the bottom up: each imports only from rooms before it. Data walks the same way.
ORDER = (
    *("errors", "tiers", "settings", "base"),
    *("sources", "ops", "publishing", "deploy", "sandbox"),
    *("loading", "alerts"),
    *("checks", "webhooks", "marts"),
    *("automation", "definitions", "cli"),
)

#: Every source folder has these files, and these public functions in them.
SOURCE_FILES = ("__init__", "tables", "source", "client", "walk", "site", "rows", "refusals", "probe")
SOURCE_FUNCTIONS = {
    "source": {"open_client", "begin", "build_source"},
    "probe": {"probe"},
    "refusals": {"to_error"},
}

#: Verbs that say nothing of what a function does.
VAGUE = {"tell", "told", "judge", "look", "whole", "part", "said", "see", "alone"}


@dataclass(frozen=True)
class Module:
    """One Python file.

    Args:
        name: dotted, such as ``impulsum_pipelines.base.home``.
        path: the file.
    """

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def parts(self) -> tuple[str, ...]:
        """Its name within the package, part by part; a folder's ``__init__`` stands for the folder."""
        return tuple(self.name.split(".")[1:])

    def functions(self) -> Iterator[str]:
        """Its public functions, without those of classes."""
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield node.name

    def classes(self) -> Iterator[str]:
        """Its classes."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                yield node.name

    def defined(self) -> Iterator[str]:
        """Every function and method in it, private ones too, without leading underscores."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name.lstrip("_")


class House:
    """One checkout of the project.

    Args:
        root: its root folder.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.package = root / PACKAGE

    @cached_property
    def modules(self) -> dict[str, Module]:
        """Every module of the package by its name."""
        found = {}
        for path in sorted(self.package.rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path)
        return found

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Module to the modules that it imports, wherever the import stands: in a function and for types only, too."""
        return {name: set(self._imports(module)) - {name} for name, module in self.modules.items()}

    def _imports(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
                for alias in node.names:
                    inside = f"{node.module}.{alias.name}"
                    yield inside if inside in self.modules else node.module

    @property
    def rooms(self) -> list[str]:
        """What stands at the top of the package: files and folders."""
        return sorted({module.parts[0] for module in self.modules.values() if module.parts})

    def lines(self, room: str) -> int:
        """Lines of Python in one room."""
        own = [module.path for module in self.modules.values() if module.parts[:1] == (room,)]
        return sum(path.read_text(encoding="utf-8").count("\n") for path in own)

    def circles(self) -> list[str]:
        """Circles of imports: among modules, and among the rooms of each folder."""
        graphs: dict[str, Mapping[str, set[str]]] = {"modules": self.imports}
        depths = {module.parts[:depth] for module in self.modules.values() for depth in range(len(module.parts))}
        for folder in sorted(depths):
            graphs["/".join((PACKAGE, *folder))] = self._between(folder)
        return [f"{where}: {circle}" for where, graph in graphs.items() if (circle := _circle(graph))]

    def _between(self, folder: tuple[str, ...]) -> dict[str, set[str]]:
        """The imports between what stands in one folder; its ``__init__`` is no room."""
        depth = len(folder)
        arrows: dict[str, set[str]] = defaultdict(set)
        for name, imported in self.imports.items():
            source = self.modules[name].parts
            for target in (self.modules[other].parts for other in imported):
                inside = len(source) > depth and len(target) > depth
                if inside and source[:depth] == target[:depth] == folder and source[depth] != target[depth]:
                    arrows[source[depth]].add(target[depth])
        return arrows

    def upward(self) -> list[str]:
        """Imports from a room further up, see :data:`ORDER`."""
        return [
            f"{name} imports {other}"
            for name, imported in self.imports.items()
            for other in sorted(imported)
            if (own := self.modules[name].parts) and (its := self.modules[other].parts)
            if ORDER.index(own[0]) < ORDER.index(its[0])
        ]

    def files_per_folder(self, *tops: str) -> dict[str, int]:
        """Files of each folder's own, besides ``__init__.py``; the largest first."""
        counted = {}
        for top in tops:
            for folder in [self.root / top, *(path for path in (self.root / top).rglob("*") if path.is_dir())]:
                own = [path for path in folder.iterdir() if path.is_file() and path.name != "__init__.py"]
                if folder.name != "__pycache__" and own:
                    counted[str(folder.relative_to(self.root))] = len(own)
        return dict(sorted(counted.items(), key=lambda pair: -pair[1]))

    def sources(self) -> dict[str, dict[str, Module]]:
        """The modules of each source folder by their short name."""
        found: dict[str, dict[str, Module]] = defaultdict(dict)
        for module in self.modules.values():
            match module.parts:
                case ("sources", source) if module.path.name == "__init__.py" and source != "base":
                    found[source]["__init__"] = module
                case ("sources", source, short) if source != "base":
                    found[source][short] = module
        return found

    def repeated_classes(self) -> dict[str, list[str]]:
        """Names of classes that are defined more than once, with the modules."""
        return _repeated((name, module) for module in self.modules.values() for name in module.classes())

    def repeated_functions(self) -> dict[str, list[str]]:
        """Names of public functions with more than one meaning, with the modules.

        The same file of the six sources, or of the sandbox's services, defines one thing six times. A command of the
        shell is named after what the person types; a migration is named as Alembic asks.
        """
        return _repeated(
            (name, module)
            for module in self.modules.values()
            for name in module.functions()
            if module.parts[:2] != ("cli", "commands") and module.parts[:2] != ("ops", "migrations")
        )

    def vague_functions(self) -> list[str]:
        """Functions and methods whose name is only a vague verb."""
        return [
            f"{module.name}: {name}" for module in self.modules.values() for name in module.defined() if name in VAGUE
        ]


def _circle(graph: Mapping[str, set[str]]) -> str:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " -> ".join(error.args[1])
    return ""


def _repeated(defined: Iterator[tuple[str, Module]]) -> dict[str, list[str]]:
    places: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for name, module in defined:
        places[name].setdefault(_kind(module.parts), module.name)
    return {name: sorted(found.values()) for name, found in sorted(places.items()) if len(found) > 1}


def _kind(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The module's place, with one place for the same file of all sources, and of all services of the sandbox."""
    is_one_of_six = len(parts) > 2 and parts[0] in {"sources", "sandbox"} and parts[1] != "base"
    return (parts[0], "<name>", *parts[2:]) if is_one_of_six else parts


def report(house: House) -> str:
    """What the house looks like, for people."""
    largest = next(iter(house.files_per_folder(PACKAGE).items()))
    extra = {name: sorted(set(files) - set(SOURCE_FILES)) for name, files in house.sources().items()}
    lines = [
        f"rooms at the top: {len(house.rooms)}",
        *(f"  {room:<14} {house.lines(room):>6} lines" for room in house.rooms),
        f"circles of imports: {house.circles() or 'none'}",
        f"imports that run upwards: {house.upward() or 'none'}"
        if set(house.rooms) <= set(ORDER)
        else "upwards: no order",
        f"largest folder: {largest[0]} with {largest[1]} files",
        f"source folders: {len(extra)}, each with {', '.join(SOURCE_FILES)}",
        *(f"  {name} also has {', '.join(files)}" for name, files in extra.items() if files),
        f"class names defined twice: {house.repeated_classes() or 'none'}",
        f"function names with several meanings: {house.repeated_functions() or 'none'}",
        f"vague function names: {house.vague_functions() or 'none'}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(House(Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT)))  # noqa: T201
