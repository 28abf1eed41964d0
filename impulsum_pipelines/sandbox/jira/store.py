"""The issues of a site, in SQLite: searched by plain SQL, and stored as the bytes that answers are made of.

The tables are what the site's search sees. As in Jira, search may see an edit later than a read by id does: until
then the edit waits in :attr:`Store.pending`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from impulsum_pipelines.sandbox.jira.issues import JiraIssue
from impulsum_pipelines.sandbox.jira.site import Document

_SCHEMA = """
CREATE TABLE issues (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, project_id TEXT NOT NULL, created INTEGER NOT NULL,
    updated INTEGER NOT NULL, status_id TEXT NOT NULL
);
CREATE INDEX issues_by_updated ON issues (updated, id, project_id);
CREATE INDEX issues_by_project ON issues (project_id, updated);
CREATE TABLE documents (id INTEGER PRIMARY KEY, fields BLOB NOT NULL, sprint_ids TEXT NOT NULL);
CREATE TABLE issue_sprints (sprint_id INTEGER, issue_id INTEGER, PRIMARY KEY (sprint_id, issue_id)) WITHOUT ROWID;
CREATE INDEX sprints_by_issue ON issue_sprints (issue_id);
CREATE TABLE moved_keys (key TEXT PRIMARY KEY, issue_id INTEGER NOT NULL);
CREATE TABLE histories (
    id INTEGER PRIMARY KEY, issue_id INTEGER NOT NULL, created INTEGER NOT NULL, field_ids TEXT NOT NULL,
    document BLOB NOT NULL
);
CREATE INDEX histories_by_issue ON histories (issue_id, created, id);
CREATE TABLE comments (
    id INTEGER PRIMARY KEY, issue_id INTEGER NOT NULL, document BLOB NOT NULL, restricted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX comments_by_issue ON comments (issue_id, id);
CREATE TABLE worklogs (
    id INTEGER PRIMARY KEY, issue_id INTEGER NOT NULL, updated INTEGER NOT NULL, document BLOB NOT NULL
);
CREATE INDEX worklogs_by_updated ON worklogs (updated, id);
CREATE TABLE deleted_worklogs (id INTEGER PRIMARY KEY, updated INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class StoredIssue:
    """An issue in the form that answers are made of: its ``fields`` object in bytes, without the Sprint field."""

    id: int
    key: str
    fields: bytes
    sprint_ids: tuple[int, ...]


@dataclass(frozen=True)
class _Row:
    issue: tuple[int, str, str, int, int, str]
    fields: bytes
    sprint_ids: tuple[int, ...]


class Store:
    """The issues of one site with their histories, comments and worklogs."""

    def __init__(self) -> None:
        # SQLite's own temporary file, which disappears with the process: 200,000 issues do not fit in memory.
        # One thread at a time uses it: the generator's first, then the server's.
        self.db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self.db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;" + _SCHEMA
        )
        #: Edits that search does not see yet, by issue id: (visible from, row); the row of a deletion is None.
        self.pending: dict[int, tuple[int, _Row | None]] = {}

    # -- issues

    def save(self, issue: JiraIssue, visible_at: int | None = None) -> None:
        """Store an issue; search sees it from ``visible_at`` on (epoch ms; at once when None)."""
        row = _row(issue)
        if visible_at is None:
            self.pending.pop(issue.id, None)
            self._write([row])
        else:
            self.pending[issue.id] = (visible_at, row)

    def save_all(self, issues: Iterable[JiraIssue]) -> None:
        """Store many issues at once."""
        self._write([_row(issue) for issue in issues])

    def _write(self, rows: Sequence[_Row]) -> None:
        ids = [(row.issue[0],) for row in rows]
        with self.transaction():
            self.db.executemany("INSERT OR REPLACE INTO issues VALUES (?, ?, ?, ?, ?, ?)", [r.issue for r in rows])
            self.db.executemany(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
                [(r.issue[0], r.fields, ",".join(map(str, r.sprint_ids))) for r in rows],
            )
            self.db.executemany("DELETE FROM issue_sprints WHERE issue_id = ?", ids)
            self.db.executemany(
                "INSERT INTO issue_sprints VALUES (?, ?)",
                [(sprint, r.issue[0]) for r in rows for sprint in r.sprint_ids],
            )

    def transaction(self) -> _Transaction:
        """A block whose writes are one transaction."""
        return _Transaction(self.db)

    def reveal(self, now: int) -> None:
        """Let search see the edits that are visible from ``now`` (epoch ms) or earlier."""
        due = [(issue_id, row) for issue_id, (at, row) in self.pending.items() if at <= now]
        for issue_id, row in due:
            del self.pending[issue_id]
            if row:
                self._write([row])
            else:
                self._forget(issue_id)

    def delete(self, issue_id: int, visible_at: int | None = None) -> None:
        """Delete an issue with its histories, comments and worklogs."""
        for table in ("histories", "comments", "worklogs"):
            self.db.execute(f"DELETE FROM {table} WHERE issue_id = ?", [issue_id])
        if visible_at is None:
            self._forget(issue_id)
        else:
            self.pending[issue_id] = (visible_at, None)

    def _forget(self, issue_id: int) -> None:
        for table, column in (("issues", "id"), ("documents", "id"), ("issue_sprints", "issue_id")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", [issue_id])

    def find(self, key_or_id: str) -> int | None:
        """The id of an issue, by id or by a key that it has or once had; None when there is none."""
        for issue_id, (_, row) in self.pending.items():
            if row and key_or_id in (str(issue_id), row.issue[1]):
                return issue_id
        found: int | None = None
        if key_or_id.isdigit():
            found = self._one("SELECT id FROM issues WHERE id = ?", int(key_or_id))
        else:
            for query in ("SELECT id FROM issues WHERE key = ?", "SELECT issue_id FROM moved_keys WHERE key = ?"):
                found = found or self._one(query, key_or_id.upper())
        return None if found in self.pending and self.pending[found][1] is None else found

    def _one(self, query: str, *values: object) -> int | None:
        row = self.db.execute(query, values).fetchone()
        return int(row[0]) if row else None

    def issue(self, issue_id: int) -> JiraIssue:
        """An issue as it is now, whether search sees that or not, ready to be changed.

        Raises:
            KeyError: there is no such issue.
        """
        if issue_id in self.pending:
            row = self.pending[issue_id][1]
            if row is None:
                raise KeyError(issue_id)
            (_, key, project_id, created, updated, _), fields, sprint_ids = row.issue, row.fields, row.sprint_ids
        else:
            found = self.db.execute(
                "SELECT key, project_id, created, updated, fields, sprint_ids FROM issues JOIN documents USING (id)"
                " WHERE id = ?",
                [issue_id],
            ).fetchone()
            if not found:
                raise KeyError(issue_id)
            key, project_id, created, updated, fields, listed = found
            sprint_ids = _ids(listed)
        return JiraIssue(issue_id, key, project_id, created, updated, orjson.loads(fields), list(sprint_ids))

    def project_id(self, issue_id: int) -> str:
        """Id of the project that an issue is in now, whether search sees that or not.

        Raises:
            KeyError: there is no such issue.
        """
        _, waiting = self.pending.get(issue_id, (0, None))
        if waiting:
            return waiting.issue[2]
        row = self.db.execute("SELECT project_id FROM issues WHERE id = ?", [issue_id]).fetchone()
        if row is None:
            raise KeyError(issue_id)
        return str(row[0])

    def stored(self, ids: Sequence[int], *, as_searched: bool) -> list[StoredIssue]:
        """Issues in the order of ``ids``, as search sees them (``as_searched``) or as a read by id does."""
        rows = self.db.execute(
            f"SELECT id, key, fields, sprint_ids FROM issues JOIN documents USING (id) WHERE id IN ({_marks(ids)})", ids
        )
        found = {id_: StoredIssue(id_, key, fields, _ids(listed)) for id_, key, fields, listed in rows}
        if not as_searched:
            for issue_id in set(ids) & self.pending.keys():
                row = self.pending[issue_id][1]
                found.pop(issue_id, None)
                if row:
                    found[issue_id] = StoredIssue(issue_id, row.issue[1], row.fields, row.sprint_ids)
        return [found[i] for i in ids if i in found]

    def project_insight(self, project_id: str) -> tuple[int, int | None]:
        """How many issues a project has, and when the newest change to any was (epoch ms)."""
        row = self.db.execute("SELECT count(*), max(updated) FROM issues WHERE project_id = ?", [project_id]).fetchone()
        return int(row[0]), row[1]

    # -- histories, comments, worklogs

    def add_histories(self, rows: Iterable[tuple[int, int, int, Document]]) -> None:
        """Store histories: (id, issue id, created, document)."""
        self.db.executemany(
            "INSERT INTO histories VALUES (?, ?, ?, ?, ?)",
            [
                (id_, issue_id, at, "," + ",".join(i["fieldId"] for i in doc["items"]) + ",", orjson.dumps(doc))
                for id_, issue_id, at, doc in rows
            ],
        )

    def newest_histories(self, ids: Sequence[int], at_most: int) -> dict[int, tuple[int, list[bytes]]]:
        """For each issue, how many histories it has, and the newest of them, newest first."""
        found: dict[int, tuple[int, list[bytes]]] = {}
        rows = self.db.execute(
            "SELECT issue_id, total, document FROM (SELECT issue_id, document,"
            " count(*) OVER (PARTITION BY issue_id) AS total,"
            " row_number() OVER (PARTITION BY issue_id ORDER BY created DESC, id DESC) AS place"
            f" FROM histories WHERE issue_id IN ({_marks(ids)})) WHERE place <= ? ORDER BY issue_id, place",
            [*ids, at_most],
        )
        for issue_id, total, document in rows:
            found.setdefault(issue_id, (total, []))[1].append(document)
        return {issue_id: found.get(issue_id, (0, [])) for issue_id in ids}

    def histories(
        self, ids: Sequence[int], offset: int, limit: int, field_ids: Sequence[str] = ()
    ) -> list[tuple[int, int, bytes]]:
        """Histories of several issues as (issue id, created, document), oldest first, then by issue id."""
        fields = " OR ".join("field_ids LIKE ?" for _ in field_ids)
        return self.db.execute(
            f"SELECT issue_id, created, document FROM histories WHERE issue_id IN ({_marks(ids)})"
            + (f" AND ({fields})" if fields else "")
            + " ORDER BY created, issue_id, id LIMIT ? OFFSET ?",
            [*ids, *(f"%,{f},%" for f in field_ids), limit, offset],
        ).fetchall()

    def count(self, table: str, issue_id: int) -> int:
        """How many rows of a table (histories, comments, worklogs) belong to an issue."""
        return self._one(f"SELECT count(*) FROM {table} WHERE issue_id = ?", issue_id) or 0

    def add_comments(self, rows: Iterable[tuple[int, int, Document]]) -> None:
        """Store comments: (id, issue id, document)."""
        self.db.executemany(
            "INSERT OR REPLACE INTO comments (id, issue_id, document) VALUES (?, ?, ?)",
            [(i, issue, orjson.dumps(d)) for i, issue, d in rows],
        )

    def comments(self, issue_id: int, offset: int, limit: int) -> list[bytes]:
        """Comments of an issue that the account may see, oldest first."""
        rows = self.db.execute(
            "SELECT document FROM comments WHERE issue_id = ? AND NOT restricted ORDER BY id LIMIT ? OFFSET ?",
            [issue_id, limit, offset],
        )
        return [row[0] for row in rows]

    def worklogs_of(self, issue_id: int, offset: int, limit: int) -> list[bytes]:
        """Worklogs of an issue, oldest first."""
        rows = self.db.execute(
            "SELECT document FROM worklogs WHERE issue_id = ? ORDER BY id LIMIT ? OFFSET ?", [issue_id, limit, offset]
        )
        return [row[0] for row in rows]

    def add_worklogs(self, rows: Iterable[tuple[int, int, int, Document]]) -> None:
        """Store worklogs: (id, issue id, updated, document)."""
        self.db.executemany(
            "INSERT OR REPLACE INTO worklogs VALUES (?, ?, ?, ?)",
            [(i, issue, updated, orjson.dumps(d)) for i, issue, updated, d in rows],
        )

    def changed_worklogs(self, table: str, since: int, until: int, limit: int) -> Iterator[tuple[int, int]]:
        """(id, updated) of ``worklogs`` or ``deleted_worklogs`` changed in [since, until], oldest first."""
        yield from self.db.execute(
            f"SELECT id, updated FROM {table} WHERE updated >= ? AND updated <= ? ORDER BY updated, id LIMIT ?",
            [since, until, limit],
        )

    def worklogs(self, ids: Sequence[int]) -> list[tuple[int, bytes]]:
        """(issue id, document) of worklogs by id."""
        return self.db.execute(
            f"SELECT issue_id, document FROM worklogs WHERE id IN ({_marks(ids)}) ORDER BY id", ids
        ).fetchall()


class _Transaction:
    """BEGIN and COMMIT around a block; does nothing inside another transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.outermost = not db.in_transaction

    def __enter__(self) -> None:
        if self.outermost:
            self.db.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        if self.outermost:
            self.db.execute("COMMIT")


def _row(issue: JiraIssue) -> _Row:
    return _Row(
        (issue.id, issue.key, issue.project_id, issue.created, issue.updated, issue.status_id),
        orjson.dumps(issue.fields),
        tuple(issue.sprint_ids),
    )


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _ids(listed: str) -> tuple[int, ...]:
    return tuple(map(int, listed.split(","))) if listed else ()
