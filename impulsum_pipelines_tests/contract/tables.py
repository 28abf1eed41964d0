"""Tables in files: columns, keys, and a hash of the rows without what differs from run to run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from impulsum_pipelines_tests.contract import Contract
from impulsum_pipelines_tests.places import ROOT

SOURCES = ("jira", "github", "slack", "fireflies", "notion", "tempo")

#: Columns that no two runs have in common, by table as in ``rows`` and reason. All others are in the hashes.
DIFFERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("*", ("sync_id",), "new for each sync"),
    ("*/syncs", ("started_at", "finished_at"), "our clock"),
    ("*/syncs", ("extract_seconds", "normalize_seconds", "load_seconds"), "how fast the machine is"),
    ("*/syncs", ("requests", "limit_waits", "limit_wait_seconds"), "a faster machine meets limits more often"),
    ("*/state", ("saved_at",), "our clock"),
    ("notion/pages", ("payload",), "each answer has an id of its own, as Notion's have; row_hash is without it"),
    ("*/_dlt_loads", ("load_id", "inserted_at"), "our clock"),
    ("*/_dlt_loads", ("schema_version_hash",), "of dlt's own, with its version"),
    ("*/_dlt_version", ("inserted_at",), "our clock"),
    ("*/_dlt_version", ("version", "engine_version", "version_hash", "schema"), "of dlt's own, with its version"),
    ("about.release", ("version", "built_at", "published_at"), "our clock"),
    ("about.release", ("code_version",), "the version of the package"),
    ("quality.freshness", ("last_done_at", "last_census_at"), "our clock"),
)

#: Keys of raw tables that have no ``id``; none where rows are only ever added, or there is one row.
KEYS: Mapping[str, tuple[str, ...]] = {
    "syncs": ("sync_id",),
    "census": ("sync_id", "entity", "scope_id"),
    "quarantine": (),
    "state": (),
    "_dlt_loads": ("load_id",),
    "_dlt_version": ("version_hash",),
}

#: Folders of the home whose files are named by dbt and Dagster.
NOT_OURS = ("dbt/", "dagster/history/", "dagster/schedules/", "dagster/storage/")


def raw_tables(home: Path) -> tuple[Contract, Contract]:
    """Tables of the raw files by source, and their rows by ``source/table``."""
    tables: Contract = {}
    rows: Contract = {}
    for source in SOURCES:
        tables[source] = {}
        with _opened(home / "raw" / f"{source}.duckdb") as connection:
            for schema, table in _tables(connection):
                if schema != "raw":
                    continue  # where dlt puts down what it is about to merge
                tables[source][table] = {
                    "columns": _columns(connection, schema, table),
                    "key": _key(connection, schema, table),
                }
                rows[f"{source}/{table}"] = _rows(connection, schema, table, f"{source}/{table}")
    return tables, rows


def published_tables(home: Path) -> tuple[Contract, Contract]:
    """Tables that analysts read by ``schema.table``, and their rows."""
    keys = _declared_keys()
    tables: Contract = {}
    rows: Contract = {}
    with _opened(home / "impulsum.duckdb") as connection:
        for schema, table in _tables(connection):
            name = f"{schema}.{table}"
            tables[name] = {"columns": _columns(connection, schema, table), "key": keys.get(name)}
            rows[name] = _rows(connection, schema, table, name)
    return tables, rows


def _declared_keys() -> dict[str, str]:
    """What dbt's tests say that the key of each model is, by ``schema.model``."""
    manifest = json.loads((ROOT / "dbt_project" / "target" / "manifest.json").read_text())
    models = {
        key: f"{node['schema']}.{node['name']}"
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }
    keys: dict[str, str] = {}
    for node in manifest["nodes"].values():
        test = node.get("test_metadata") or {}
        if node.get("attached_node") not in models or test.get("name") not in {"primary_key", "unique"}:
            continue
        arguments = test["kwargs"]
        keys[models[node["attached_node"]]] = ", ".join(arguments.get("columns") or [arguments["column_name"]])
    return keys


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import duckdb

    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def _tables(connection: Any) -> list[tuple[str, str]]:
    return list(
        connection.execute("select table_schema, table_name from information_schema.tables order by all").fetchall()
    )


def _columns(connection: Any, schema: str, table: str) -> list[str]:
    """Name, type and ``not null`` of each column, in order."""
    return [
        f"{name} {kind}{'' if nullable == 'YES' else ' not null'}"
        for name, kind, nullable in connection.execute(
            "select column_name, data_type, is_nullable from information_schema.columns "
            "where table_schema = ? and table_name = ? order by ordinal_position",
            [schema, table],
        ).fetchall()
    ]


def _key(connection: Any, schema: str, table: str) -> str | None:
    """The columns of the key, and whether they are one in the rows."""
    key = KEYS.get(table, ("id",))
    if not key:
        return None
    columns = ", ".join(f'"{column}"' for column in key)
    complete = " and ".join(f'"{column}" is not null' for column in key)
    [(rows, different)] = connection.execute(
        f'select count(*), (select count(*) from (select distinct {columns} from "{schema}"."{table}" '
        f'where {complete})) from "{schema}"."{table}"'
    ).fetchall()
    return ", ".join(key) + ("" if rows == different else " (not unique)")


def _rows(connection: Any, schema: str, table: str, name: str) -> Contract:
    """How many rows there are, a hash of them in any order, and the columns that it is without."""
    result = connection.execute(f'from "{schema}"."{table}"')
    columns = [(column[0], str(column[1])) for column in result.description]
    without = sorted(
        column
        for column, _ in columns
        if any(fnmatch(name, tables) and column in differing for tables, differing, _ in DIFFERS)
    )
    lines = sorted(
        json.dumps(
            {
                column: _json(value) if kind == "JSON" else value
                for (column, kind), value in zip(columns, row, strict=True)
                if column not in without
            },
            sort_keys=True,
            default=_plain,
        )
        for row in ([_rounded(value) for value in row] for row in result.fetchall())
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return {"rows": len(lines), "hash": digest, **({"without": ", ".join(without)} if without else {})}


def _json(value: str | None) -> Any:
    """A document without the order of its names."""
    return None if value is None else json.loads(value)


def _rounded(value: Any) -> Any:
    """Nine digits of a floating-point number: the rest may depend on the order in which a machine adds up."""
    if isinstance(value, float):
        return f"{value:.9g}"
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"no hash of {type(value).__name__}")


def files(home: Path) -> list[str]:
    """The two upper levels of the home after syncs and a build, without the names of times."""
    found = []
    for path in sorted([*home.glob("*"), *home.glob("*/*")]):
        name = f"{path.relative_to(home)}{'/' if path.is_dir() else ''}"
        is_open = name.endswith(("-wal", "-shm", ".wal"))  # there while a database is open, or until the next time
        if not is_open and not any(name.startswith(folder) and name != folder for folder in NOT_OURS):
            found.append(re.sub(r"\d{8}T\d{6}\d*Z?", "TIME", name))
    return found
