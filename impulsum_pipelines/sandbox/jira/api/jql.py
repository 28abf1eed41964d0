"""Compiles the part of JQL that the sandbox understands to SQL.

Dates are as in Jira: a quoted literal has minutes and is read in the zone of the token user's profile; an unquoted
number is epoch milliseconds. What Jira refuses is refused with Jira's own sentence, as :class:`JqlError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lark import Lark, Token, Tree, UnexpectedInput

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.jira.site import JiraSiteData
from impulsum_pipelines.sandbox.jira.store import Store

_DATE_FORMATS = ("%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M", "%Y-%m-%d", "%Y/%m/%d")
_MOST_SORT_FIELDS = 7
#: The SQL column of a field, by the field's name in JQL.
_COLUMNS = {
    "project": "project_id",
    "key": "id",
    "issuekey": "id",
    "issue": "id",
    "id": "id",
    "status": "status_id",
    "created": "created",
    "createddate": "created",
    "updated": "updated",
    "updateddate": "updated",
    "sprint": "sprint",
}
_DATES = frozenset({"created", "updated"})


class JqlError(Exception):
    """Jira refuses the query with status 400; ``message`` is Jira's sentence."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class CompiledJql:
    """A compiled search: conditions and order in SQL over the table ``issues``, with the values."""

    where: str
    values: tuple[Any, ...]
    order: str

    def ids(self, store: Store, offset: int, limit: int) -> list[int]:
        """Ids of the issues that match, in order."""
        rows = store.db.execute(
            f"SELECT id FROM issues WHERE {self.where} ORDER BY {self.order} LIMIT ? OFFSET ?",
            [*self.values, limit, offset],
        )
        return [row[0] for row in rows]

    def count(self, store: Store) -> int:
        """How many issues match."""
        row = store.db.execute(f"SELECT count(*) FROM issues WHERE {self.where}", self.values).fetchone()
        return int(row[0])


@lru_cache
def _grammar() -> Lark:
    return Lark(Path(__file__).with_name("jql.lark").read_text(), start="query", parser="lalr")


def compile_jql(jql: str, site: JiraSiteData, store: Store) -> CompiledJql:
    """The SQL of a JQL query on a site.

    Raises:
        JqlError: the query cannot be read, names something that does not exist, or has no restriction.
    """
    try:
        tree = _grammar().parse(jql)
    except UnexpectedInput as error:
        near = jql[error.pos_in_stream : error.pos_in_stream + 20] if error.pos_in_stream is not None else ""
        raise JqlError(
            f"Error in the JQL Query: Expecting a field, an operator or a value but got '{near}'."
            f" (line {error.line}, character {error.column})"
        ) from None
    condition, order = tree.children
    if condition is None:
        raise JqlError("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    values: list[Any] = []
    where = _Compiler(site, store, values).condition(condition)
    hidden = site.hidden_projects()
    if hidden:
        where = f"({where}) AND project_id NOT IN ({','.join('?' * len(hidden))})"
        values.extend(hidden)
    return CompiledJql(where, tuple(values), _order(order))


def _order(order: Tree[Token] | None) -> str:
    if order is None:
        return "created DESC, id DESC"
    if len(order.children) > _MOST_SORT_FIELDS:
        raise JqlError(f"The maximum number of fields to sort by is {_MOST_SORT_FIELDS}.")
    parts = []
    for key in order.children:
        column = _column(_text(key.children[0].children[0]))
        direction = key.children[1]
        if column == "sprint":
            raise JqlError("Field 'sprint' cannot be used for sorting.")
        parts.append(f"{column} {str(direction).upper() if direction else 'ASC'}")
    # Ties need an order; Jira breaks them too, though it does not promise how.
    return ", ".join([*parts, "id"])


def _column(name: str) -> str:
    try:
        return _COLUMNS[name.lower()]
    except KeyError:
        raise JqlError(f"Field '{name}' does not exist or you do not have permission to view it.") from None


def _text(token: Any) -> str:
    text = str(token)
    if token.type != "QUOTED":
        return text
    return text[1:-1].replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")


class _Compiler:
    """Turns the tree of one query into SQL, collecting its values."""

    def __init__(self, site: JiraSiteData, store: Store, values: list[Any]) -> None:
        self.site = site
        self.store = store
        self.values = values
        self.zone = ZoneInfo(site.account.time_zone)

    def condition(self, tree: Tree[Token]) -> str:
        rule = str(tree.data)
        if rule in ("any_of", "all_of"):
            joint = " OR " if rule == "any_of" else " AND "
            return "(" + joint.join(self.condition(part) for part in tree.children) + ")"
        if rule == "negated":
            return f"NOT {self.condition(tree.children[0])}"
        name = _text(tree.children[0].children[0])
        if rule == "compared":
            return self.compared(name, str(tree.children[1]), tree.children[2].children[0])
        among = self.among(name, [value.children[0] for value in tree.children[1:]])
        return among if rule == "among" else f"NOT {among}"

    def among(self, name: str, tokens: list[Any]) -> str:
        return "(" + " OR ".join(self.compared(name, "=", token) for token in tokens) + ")"

    def compared(self, name: str, operator: str, token: Any) -> str:
        column = _column(name)
        if column in _DATES:
            return self._date(name, column, operator, token)
        if operator not in ("=", "!="):
            if name.lower() not in ("key", "issuekey", "issue", "id"):
                raise JqlError(f"The operator '{operator}' is not supported by the '{name}' field.")
            # A range works without an issue at its bound.
            text = _text(token)
            self.values.append(int(text) if text.isdigit() else self._issue(name, text))
            return f"id {operator} ?"
        if column == "sprint":
            self.values.append(self._sprint(_text(token)))
            test = "id IN (SELECT issue_id FROM issue_sprints WHERE sprint_id = ?)"
            return f"NOT {test}" if operator == "!=" else test
        if column == "id":
            self.values.append(self._issue(name, _text(token)))
        elif column == "project_id":
            self.values.append(self._project(_text(token)))
        else:
            statuses = self._statuses(_text(token))
            self.values.extend(statuses)
            return f"status_id {'NOT ' if operator == '!=' else ''}IN ({','.join('?' * len(statuses))})"
        return f"{column} {operator} ?"

    def _date(self, name: str, column: str, operator: str, token: Any) -> str:
        if token.type == "NUMBER":
            self.values.append(int(token))
            return f"{column} {operator} ?"
        text = _text(token)
        moment = None if token.type != "QUOTED" else _read_date(text, self.zone)
        if moment is None:
            raise JqlError(
                f"Date value '{text}' for field '{name}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
                "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
            )
        start = to_ms(moment)
        if operator in ("=", "!="):
            self.values.extend((start, start + 60_000))
            return f"{'NOT ' if operator == '!=' else ''}({column} >= ? AND {column} < ?)"
        self.values.append(start)
        return f"{column} {operator} ?"

    def _issue(self, name: str, text: str) -> int:
        found = self.store.find(text)
        if found is None:
            if name.lower() == "id" or text.isdigit():
                raise JqlError(f"A value with ID '{text}' does not exist for the field '{name}'.")
            raise JqlError(f"An issue with key '{text}' does not exist for field '{name}'.")
        return found

    def _project(self, text: str) -> str:
        project = self.site.project(text)
        if project is None:
            raise JqlError(f"The value '{text}' does not exist for the field 'project'.")
        return project.id

    def _sprint(self, text: str) -> int:
        for sprint in self.site.sprints.values():
            if text in (str(sprint.id), sprint.name):
                return sprint.id
        raise JqlError(f"Sprint with name '{text}' does not exist or you do not have permission to view it.")

    def _statuses(self, text: str) -> list[str]:
        found = [s.id for s in self.site.statuses.values() if text.lower() in (s.id, s.name.lower())]
        if not found:
            raise JqlError(f"The value '{text}' does not exist for the field 'status'.")
        return found


def _read_date(text: str, zone: ZoneInfo) -> datetime | None:
    for pattern in _DATE_FORMATS:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=zone)
        except ValueError:
            continue
    return None
