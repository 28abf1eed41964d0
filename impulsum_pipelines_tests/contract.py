"""``python -m impulsum_pipelines_tests.contract``: what people and programs rely on, held against ``contract.json``.

Tables with their columns, types and keys, asset keys, checks, jobs, schedules, sensors, settings, commands with their
options, exit codes, files, and a hash of the rows of each table. A change of one of these is a breaking change, or a
feature: it is made on purpose (``--write``) and its reason is in the changelog. A change of words, of modules or of
tests changes nothing here.

The rows come from a sandbox of its own: a fixed seed, a clock that stands still, and a fixed name (``sandbox.test``) in
place of its port, so that addresses and what is derived from them are the same each time. What still differs from one
run to the next is left out of the hashes, see :data:`DIFFERS`.

Everything is asked for at the doors that others use: the command line, the code location, the settings, the files in
``IMPULSUM_HOME``, dbt's manifest.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines_tests.conftest import isolate

#: Where it is written down.
FILE = Path(__file__).with_name("contract.json")
#: How it is changed.
ON_PURPOSE = (
    "if this is on purpose: run `python -m impulsum_pipelines_tests.contract --write`, and give the reason in "
    "CHANGELOG.md"
)

#: The sandbox: what it is generated from, where its clock stands, and what it is called.
SEED, ISSUES, NOW, HOST = "1", "80", "2024-03-01T12:00:00+00:00", "sandbox.test"
SOURCES = ("jira", "github", "slack", "fireflies", "notion", "tempo")
#: What the home is built with, so that zones, working hours and private pages are in the rows, too.
SETTINGS = {
    "IMPULSUM_TIMEZONE": "Europe/Berlin",
    "IMPULSUM_BUSINESS_HOURS": "9-17",
    "NOTION_RESTRICTED": "fffa1fcbe21c48cd94d077e360ea3b5c",
}

#: Columns that no two runs have in common, by table as in ``rows`` and reason. All others are in the hashes.
DIFFERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("*", ("sync_id",), "drawn anew for each sync"),
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

#: What a hash does not say.
WHICH_ROWS = (
    "which rows: `--keep FOLDER` keeps the home that was built; make one at the commit before as well, and compare"
)

Contract = dict[str, Any]


#: What is declared, and what takes syncs and a build to see.
DECLARED = ("assets", "asset checks", "jobs", "schedules", "sensors", "settings", "commands")
BUILT = ("raw", "published", "rows", "files", "exit codes")


class NotBuiltError(Exception):
    """A command that the rest stands on failed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the contract, and compare it with the file, or write it there; 1 when they differ, or nothing is built."""
    parser = argparse.ArgumentParser(
        prog="python -m impulsum_pipelines_tests.contract", description=(__doc__ or "").partition("\n\n")[2]
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--write", action="store_true", help="write contract.json instead of comparing with it")
    parser.add_argument("--keep", type=Path, help="keep what is built in this new folder, to compare rows by hand")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="impulsum-contract-") as folder:
        if options.keep:
            options.keep.mkdir(parents=True)
        made, written = declared(Path(folder)), held()
        changed = [line for section in DECLARED for line in changes(section, written, made)]
        _say(*changed)
        try:
            made |= built(options.keep.absolute() if options.keep else Path(folder))
        except NotBuiltError as error:
            _say(f"The rest cannot be compared: {error}")
            return 1
    more = [line for section in BUILT for line in changes(section, written, made)]
    _say(*more)
    if options.write:
        FILE.write_text(text(made), encoding="utf-8")
        _say(f"{FILE.name} is written{'' if changed or more else ', and is what it was'}.")
        return 0
    _say(f"{ON_PURPOSE[0].upper()}{ON_PURPOSE[1:]}." if changed or more else "Nothing changed.")
    return int(bool(changed or more))


def held() -> Contract:
    """The contract as it is written down; empty before the first time."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def text(contract: Contract) -> str:
    """The contract as it is written: one line a column, an option, a setting."""
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


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def declared(folder: Path) -> Contract:
    """The sections of :data:`DECLARED`, of the code as it is without any setting."""
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        return {**_code_location(), "settings": _settings(), "commands": _commands()}


def built(folder: Path) -> Contract:
    """The sections of :data:`BUILT`; all state goes to an empty folder.

    Raises:
        NotBuiltError: with what the command said that failed.
    """
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        shell = Shell(patch)
        home = folder / "home"
        with _sandbox(patch, folder, shell) as control:
            _fill(shell, control)
            raw, raw_rows = _raw(home)
            published, published_rows = _published(home)
            files = _files(home)
            _try_commands(home, folder, shell, control)
    rows = raw_rows | published_rows
    return {"raw": raw, "published": published, "rows": rows, "files": files, "exit codes": shell.codes}


# ------------------------------------------------------------------------------------------------- what is declared


def _code_location() -> Contract:
    """What Dagster sees: assets, checks, jobs, schedules and sensors."""
    from impulsum_pipelines.definitions import build_definitions

    location = build_definitions().get_repository_def()
    graph = location.asset_graph
    assets = {key: graph.get(key) for key in graph.get_all_asset_keys()}
    return {
        "assets": {
            key.to_user_string(): {
                "group": node.group_name,
                "kinds": ", ".join(sorted(node.kinds)),
                "partitions": _partitions(node.partitions_def),
                "is materialized": node.is_materializable,
                "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            }
            for key, node in assets.items()
        },
        "asset checks": {
            f"{key.asset_key.to_user_string()} {key.name}": "blocking" if graph.get(key).blocking else "not blocking"
            for key in graph.asset_check_keys
        },
        "jobs": {
            job.name: {
                "assets": _counted(assets[key].group_name for key in job.asset_layer.selected_asset_keys),
                "checks": len(job.asset_layer.asset_graph.asset_check_keys),
                "ops": sorted(node.name for node in job.nodes),
                "partitions": _partitions(job.partitions_def),
                "tags": dict(job.tags),
            }
            for job in location.get_all_jobs()
            if not job.name.startswith("__")
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "zone": schedule.execution_timezone,
                "job": schedule.job_name,
                "at first": schedule.default_status.value,
            }
            for schedule in location.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "every (s)": sensor.minimum_interval_seconds,
                "jobs": sorted(target.job_name for target in sensor.targets or ()),
                "at first": sensor.default_status.value,
            }
            for sensor in location.sensor_defs
        },
    }


def _partitions(definition: object) -> str | None:
    return str(definition) if definition else None


def _counted(names: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return counted


def _settings() -> Contract:
    """Every environment variable with its type and default."""
    from impulsum_pipelines.settings import Settings

    return {
        name.upper(): f"{_type(field.annotation)}, default {_default(field.default)}"
        for name, field in Settings.model_fields.items()
    }


def _commands() -> Contract:
    """Every command with its options and arguments, by the words in which they are typed."""
    from typer.main import get_command

    from impulsum_pipelines.cli import app

    found: Contract = {}

    def walk(command: Any, words: str) -> None:
        found[words] = {_typed(parameter): _parameter(parameter) for parameter in command.params}
        for name, below in getattr(command, "commands", {}).items():
            walk(below, f"{words} {name}")

    walk(get_command(app), "impulsum")
    return found


def _typed(parameter: Any) -> str:
    is_option = parameter.opts[0].startswith("-")
    return " ".join((*parameter.opts, *parameter.secondary_opts)) if is_option else str(parameter.name).upper()


def _parameter(parameter: Any) -> str:
    parts = [_type(parameter.type_descriptor.annotation)]
    parts += ["required" if parameter.required else f"default {_default(parameter.default)}"]
    parts += [fact for fact in ("multiple", "is_flag", "hidden") if getattr(parameter, fact, False)]
    parts += [f"{bound} {value}" for bound in ("min", "max") if (value := _bound(parameter, bound)) is not None]
    parts += [f"of {parameter.envvar}"] if parameter.envvar else []
    return ", ".join(parts)


def _bound(parameter: Any, bound: str) -> object:
    return getattr(parameter.type_descriptor.parameter_info, bound, None)


def _type(annotation: Any) -> str:
    """A type without the modules that it is from: those are free to move."""
    plain = annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else annotation
    return re.sub(r"\b(?:[a-z_]\w*\.)+", "", str(plain))


def _default(value: object) -> str:
    return "none" if value is None or value == () else str(value)


# ------------------------------------------------------------------------------------------- what is pulled and built


class Shell:
    """The command line in this process; what Dagster writes down of a run is kept in memory, which is cheaper.

    Attributes:
        codes: the exit code of each command, by the command with the settings before it.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        import dagster as dg

        self.codes: dict[str, int] = {}
        patch.setattr(dg.DagsterInstance, "get", staticmethod(dg.DagsterInstance.ephemeral))

    def __call__(self, *arguments: str, **settings: str) -> str:
        """What a command printed, once its code is written down; settings in capitals are for this command alone."""
        from impulsum_pipelines.cli import main as impulsum

        said, code = io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            for name, value in settings.items():
                patch.setenv(name, value)
            try:
                impulsum(arguments)
            except SystemExit as left:
                code = int(left.code or 0)
        command = " ".join(("impulsum", *(f'"{word}"' if " " in word else word for word in arguments)))
        before = "".join(f"{name}={value} " for name, value in settings.items() if name != "IMPULSUM_HOME")
        self.codes[before + command + (" (nothing held)" if "IMPULSUM_HOME" in settings else "")] = code
        return said.getvalue()

    def done(self, *arguments: str) -> str:
        """The same of a command that the rest stands on.

        Raises:
            NotBuiltError: with what it printed, unless it ended with 0.
        """
        said = self(*arguments)
        if code := self.codes[" ".join(("impulsum", *arguments))]:
            raise NotBuiltError(f"impulsum {' '.join(arguments)} ended with {code}: {said}")
        return said


Control = Callable[..., dict[str, Any]]


@contextmanager
def _sandbox(patch: pytest.MonkeyPatch, folder: Path, shell: Shell) -> Iterator[Control]:
    """A sandbox that stands still, found by its name, with the settings pointing there; and its control door."""
    import requests

    command = [
        sys.executable, "-c", "from impulsum_pipelines.cli import main; main()",
        "sandbox", "serve", "--port", "0", "--seed", SEED, "--issues", ISSUES, "--now", NOW,
    ]  # fmt: skip
    log = folder / "sandbox.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
            if not found:
                raise NotBuiltError(f"the sandbox did not start: {said}{log.read_text()}")
            url, port = found[0], found[1]

            def control(verb: str, **arguments: Any) -> dict[str, Any]:
                answer = requests.post(f"{url}/_sandbox/{verb}", json=arguments, timeout=60)
                answer.raise_for_status()
                return dict(answer.json())

            control("clock", freeze=True)
            control("clock", now=NOW)
            for line in shell("sandbox", "env", "--port", port).splitlines():
                name, _, value = line.removeprefix("export ").partition("=")
                patch.setenv(name, value.replace(url, f"http://{HOST}"))
            shell.codes["impulsum sandbox env --port PORT"] = shell.codes.pop(f"impulsum sandbox env --port {port}")
            patch.setattr(socket, "getaddrinfo", _resolving(int(port)))
            yield control
        finally:
            process.terminate()


def _resolving(port: int) -> Callable[..., Any]:
    """The resolver, which also knows where the sandbox is."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, service: Any, *more: Any, **named: Any) -> Any:
        return resolve("127.0.0.1", port, *more, **named) if host == HOST else resolve(host, service, *more, **named)

    return getaddrinfo


def _fill(shell: Shell, control: Control) -> None:
    """Pull everything, let an hour pass in which Jira changes, pull that, build and publish."""
    for source in SOURCES:
        shell.done("sync", source, "--census")
    control("clock", advance_seconds=3600)
    control("edit_issue", issue="ATLAS-7", summary="Edited after the first pull", due_date="2024-02-28")
    control("transition", issue="ATLAS-8", status="Done")
    control("delete_issue", issue="ATLAS-9")
    shell.done("sync", "jira", "--census")
    shell.done("build")


def _try_commands(home: Path, folder: Path, shell: Shell, control: Control) -> None:
    """Exit codes: 0 when it is done, 2 when the command or a setting must be corrected, 1 otherwise."""
    nothing = {"IMPULSUM_HOME": str(folder / "nothing")}
    shell("status")
    shell("status", **nothing)
    shell("status", IMPULSUM_TIMEZONE="Mars/Olympus")
    shell("sql", "select 1")
    shell("sql", "from nowhere")
    shell("sql", "select 1", "--json", "--csv")
    shell("sql", "select 1", **nothing)
    shell("versions")
    shell("rollback", "nowhere")
    shell("history")
    shell("alerts", "list")
    shell("webhooks", "health")
    shell("nonsense")
    shell("sync", "nowhere")
    shell("sync", "tempo", TEMPO_API_TOKEN="")
    shell("sync", "tempo", "--since", "yesterday")
    shell("sync", "tempo", TEMPO_API_TOKEN="not-the-token")
    # A wait that is too long to sit out: the source is down for now.
    control("fault", kind="status", status=503, retry_after=7200, path="/tempo/")
    shell("doctor")
    control("clear_faults")
    _spoil(home)
    shell("sync", "tempo", "--since", "2024-02-03", "--until", "2024-02-03")


def _spoil(home: Path) -> None:
    """Let a check of Tempo fail: two rows of one id."""
    import duckdb

    with duckdb.connect(home / "raw" / "tempo.duckdb") as connection:
        connection.execute("insert into raw.accounts from raw.accounts limit 1")


# ---------------------------------------------------------------------------------------------------- what is held


def _raw(home: Path) -> tuple[Contract, Contract]:
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


def _published(home: Path) -> tuple[Contract, Contract]:
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
    manifest = json.loads((Path(__file__).parents[1] / "dbt_project" / "target" / "manifest.json").read_text())
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


def _files(home: Path) -> list[str]:
    """The two upper levels of the home after syncs and a build, without the names of times."""
    found = []
    for path in sorted([*home.glob("*"), *home.glob("*/*")]):
        name = f"{path.relative_to(home)}{'/' if path.is_dir() else ''}"
        is_open = name.endswith(("-wal", "-shm", ".wal"))  # there while a database is open, or until the next time
        if not is_open and not any(name.startswith(folder) and name != folder for folder in NOT_OURS):
            found.append(re.sub(r"\d{8}T\d{6}\d*Z?", "TIME", name))
    return found


if __name__ == "__main__":
    sys.exit(main())
