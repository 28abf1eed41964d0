"""Compare two contracts, and say in lines what was added, removed and changed."""

from __future__ import annotations

import json
from typing import Any

from impulsum_pipelines_tests.contract import FILE, Contract

#: What a hash does not say.
WHICH_ROWS = (
    "which rows: `--keep FOLDER` keeps the home that was built; make one at the commit before as well, and compare"
)


def written() -> Contract:
    """The contract as it is written down; empty before the first time."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def text(contract: Contract) -> str:
    """The contract as text: one line per column, option and setting."""
    return json.dumps(contract, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def changes(section: str, before: Contract, now: Contract) -> list[str]:
    """What changed in a section, for a reader; empty when nothing did."""
    lines = differences(before.get(section, {}), now.get(section, {}))
    if lines and section == "rows":
        lines.append(WHICH_ROWS)
    return [f"{section}:", *(f"  {line}" for line in lines)] if lines else []


def differences(before: object, now: object, at: str = "") -> list[str]:
    """What was added, removed and changed, a line each."""
    if before == now:
        return []
    if isinstance(before, dict) and isinstance(now, dict):
        lines = []
        for name in sorted(before.keys() | now.keys()):
            where = f"{at} {name}".strip()
            if name not in now:
                lines.append(f"removed  {where}: {_short(before[name])}")
            elif name not in before:
                lines.append(f"added    {where}: {_short(now[name])}")
            else:
                lines += differences(before[name], now[name], where)
        return lines
    if isinstance(before, list) and isinstance(now, list):
        return _differences_of_lists(before, now, at)
    return [f"changed  {at}: {_short(before)} is now {_short(now)}"]


def _differences_of_lists(before: list[Any], now: list[Any], at: str) -> list[str]:
    """Items are known by their first word: a column by its name."""
    old, new = ({str(item).partition(" ")[0]: item for item in items} for items in (before, now))
    lines = [
        *(f"removed  {at} {old[name]}" for name in old if name not in new),
        *(f"added    {at} {new[name]}" for name in new if name not in old),
        *(f"changed  {at} {old[name]} is now {new[name]}" for name in old if name in new and old[name] != new[name]),
    ]
    # The order of what both have; what was added or removed moves nothing by itself.
    if [name for name in old if name in new] != [name for name in new if name in old]:
        lines.append(f"changed  {at}: the order is now {', '.join(new)}")
    return lines


def _short(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return shown if len(shown) <= 300 else f"{shown[:300]}..."
