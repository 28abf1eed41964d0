"""Jira Cloud's endpoints as we use them: one method each, paging included.

Vendor pages: the platform REST API v3 (https://developer.atlassian.com/cloud/jira/platform/rest/v3/) and the
software API (https://developer.atlassian.com/cloud/jira/software/rest/). Page limits are the documented maxima.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from pyrate_limiter import Duration, Rate
from requests.auth import HTTPBasicAuth

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, NotFoundError
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.jira.refusals import to_error
from impulsum_pipelines.sources.registry import off_error

Document = dict[str, Any]

#: Requests per second to one endpoint: a little below the documented 100.
PER_SECOND = 90
ID_PAGE = 5_000  # search/jql, when only ids are requested
ISSUE_BATCH = 100  # issue/bulkfetch
CHANGELOG_BATCH = 1_000  # changelog/bulkfetch: issues per request
WORKLOG_BATCH = 1_000  # worklog/list
INLINE_COMMENTS = 20  # comments within an issue document


@dataclass(frozen=True)
class IdList:
    """What one search found: the ids, each once, and the number of pages read."""

    ids: list[str]
    pages: int


class JiraClient:
    """Reads one Jira Cloud site with an account's API token (basic authentication)."""

    def __init__(self, settings: Settings) -> None:
        if not (settings.jira.base_url and settings.jira.email and settings.jira.api_token):
            raise off_error("jira", settings)
        self.concurrency = settings.jira.concurrency
        self.api = Api(
            "Jira",
            settings.jira.base_url,
            auth=HTTPBasicAuth(settings.jira.email, settings.jira.api_token.get_secret_value()),
            budget=Budget(
                Home.of(settings).limits,
                urlsplit(settings.jira.base_url).netloc,
                lambda kind: [Rate(PER_SECOND, Duration.SECOND)],
            ),
            connections=settings.jira.concurrency,
            to_error=to_error,
        )

    # ---------------------------------------------------------------- issues

    def search_ids(self, jql: str) -> IdList:
        """Every issue id that matches, in an order that never changes, so that an edit during the walk moves nothing.

        Only a page without a token is the last one; ``isLast`` alone does not end the walk.
        """
        ids: dict[str, None] = {}
        paging = Paging("Jira", "/rest/api/3/search/jql")
        body: Document = {
            "jql": f"{jql} ORDER BY created ASC, id ASC",
            "fields": ["id"],
            "maxResults": ID_PAGE,
        }
        while True:
            page = self.api.post(paging.endpoint, body)
            found = [str(issue["id"]) for issue in page.get("issues") or []]
            ids.update(dict.fromkeys(found))
            token = paging.next(page.get("nextPageToken"), found=len(found))
            if not token:
                return IdList(list(ids), paging.pages)
            body["nextPageToken"] = token

    def approximate_count(self, jql: str) -> int:
        """The site's own, eventually consistent estimate of how many issues match."""
        return int(self.api.post("/rest/api/3/search/approximate-count", {"jql": jql})["count"])

    def issues(self, ids: Sequence[str]) -> list[Document]:
        """Up to 100 issues with all fields and up to 40 inline histories; those no longer visible are left out.

        When Jira leaves an issue out with an error, as it may when an answer grows too large, that issue is read alone.
        """
        return self._issues(ids, fields="*all", expand="changelog")

    def projects_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Project ids of up to 100 issues, by issue id; those that do not exist or are not visible are left out."""
        return {
            str(issue["id"]): str(issue["fields"]["project"]["id"]) for issue in self._issues(ids, fields="project")
        }

    def _issues(self, ids: Sequence[str], **options: str) -> list[Document]:
        body = {"issueIdsOrKeys": list(ids), **{name: [value] for name, value in options.items()}}
        answer = self.api.post("/rest/api/3/issue/bulkfetch", body)
        found: list[Document] = answer["issues"]
        for error in answer.get("issueErrors") or []:
            path, endpoint = f"/rest/api/3/issue/{error['id']}", "/rest/api/3/issue/{id}"
            with suppress(NotFoundError):
                found.append(self.api.get(path, options, endpoint=endpoint))
        return found

    def histories(self, issue_ids: Sequence[str]) -> dict[str, list[Document]]:
        """The complete changelogs of up to 1,000 issues, by issue id; Jira spreads one issue's over several pages."""
        found: dict[str, list[Document]] = {issue_id: [] for issue_id in issue_ids}
        body: Document = {"issueIdsOrKeys": list(issue_ids), "maxResults": 10_000}
        paging = Paging("Jira", "/rest/api/3/changelog/bulkfetch")
        while True:
            page = self.api.post(paging.endpoint, body)
            for entry in page.get("issueChangeLogs") or []:
                found.setdefault(str(entry["issueId"]), []).extend(entry["changeHistories"])
            token = paging.next(page.get("nextPageToken"))
            if not token:
                return found
            body["nextPageToken"] = token

    def histories_of(self, issue_id: str) -> list[Document]:
        """The complete changelog of one issue."""
        path = f"/rest/api/3/issue/{issue_id}/changelog"
        return list(self._offset(path, "values", endpoint="/rest/api/3/issue/{id}/changelog"))

    def comments_of(self, issue_id: str) -> list[Document]:
        """Every comment on one issue that the account may see."""
        path = f"/rest/api/3/issue/{issue_id}/comment"
        return list(self._offset(path, "comments", endpoint="/rest/api/3/issue/{id}/comment"))

    # -------------------------------------------------------------- worklogs

    def worklogs_changed(self, since: datetime, kind: str) -> list[tuple[str, int]]:
        """(id, epoch ms of the newest change) of every worklog that was ``updated`` or ``deleted`` since, each once."""
        paging = Paging("Jira", f"/rest/api/3/worklog/{kind}")
        cursor = int(since.timestamp() * 1000)
        found: dict[str, int] = {}
        while True:
            # The next page begins with the end of this one.
            page = self.api.get(paging.endpoint, {"since": cursor})
            found |= {str(value["worklogId"]): int(value["updatedTime"]) for value in page.get("values") or []}
            if page.get("lastPage", True):
                return list(found.items())
            if page["until"] < cursor:
                raise paging.broken(f"the page since {cursor} ends before it begins")
            # A page that has nothing but one millisecond ends where it began.
            cursor = page["until"] if page["until"] > cursor else cursor + 1
            paging.next(str(cursor))

    def worklogs(self, ids: Sequence[str]) -> list[Document]:
        """Up to 1,000 worklogs by id."""
        found: list[Document] = self.api.post("/rest/api/3/worklog/list", {"ids": [int(i) for i in ids]})
        return found

    def worklogs_of(self, issue_id: str) -> list[Document]:
        """Every worklog of one issue that the account may see."""
        path = f"/rest/api/3/issue/{issue_id}/worklog"
        return list(self._offset(path, "worklogs", endpoint="/rest/api/3/issue/{id}/worklog"))

    # ------------------------------------------------------------- reference

    def projects(self) -> list[Document]:
        """Every project that the account sees, archived ones too, with its issue count."""
        params = {"expand": "insight,description", "status": "live,archived"}
        return list(self._offset("/rest/api/3/project/search", "values", params=params, size=100))

    def versions(self, project_id: str) -> list[Document]:
        """The versions of a project."""
        path = f"/rest/api/3/project/{project_id}/version"
        return list(self._offset(path, "values", endpoint="/rest/api/3/project/{id}/version"))

    def fields(self) -> list[Document]:
        """Every field of the site."""
        found: list[Document] = self.api.get("/rest/api/3/field")
        return found

    def statuses(self) -> list[Document]:
        """Every status of the site."""
        found: list[Document] = self.api.get("/rest/api/3/status")
        return found

    def users(self) -> Iterator[Document]:
        """Every account, inactive ones included. The endpoint gives bare lists, so only an empty page is the end."""
        start = 0
        while page := self.api.get("/rest/api/3/users/search", {"startAt": start, "maxResults": 1_000}):
            yield from page
            start += len(page)

    def myself(self) -> Document:
        """The account of the token, with its time zone."""
        found: Document = self.api.get("/rest/api/3/myself")
        return found

    def boards(self) -> list[Document]:
        """Every board that the account sees."""
        return list(self._offset("/rest/agile/1.0/board", "values"))

    def board_configuration(self, board_id: str) -> Document:
        """Columns and estimation of a board."""
        path = f"/rest/agile/1.0/board/{board_id}/configuration"
        found: Document = self.api.get(path, endpoint="/rest/agile/1.0/board/{id}/configuration")
        return found

    def sprints_of(self, board_id: str) -> list[Document]:
        """The sprints that a board shows, also those of other boards.

        Raises:
            NoSprintsError: the board has no sprints.
        """
        path = f"/rest/agile/1.0/board/{board_id}/sprint"
        return list(self._offset(path, "values", endpoint="/rest/agile/1.0/board/{id}/sprint"))

    def sprint(self, sprint_id: str) -> Document:
        """One sprint."""
        found: Document = self.api.get(f"/rest/agile/1.0/sprint/{sprint_id}", endpoint="/rest/agile/1.0/sprint/{id}")
        return found

    def _offset(
        self,
        path: str,
        key: str,
        *,
        params: Document | None = None,
        endpoint: str | None = None,
        size: int | None = None,
    ) -> Iterator[Document]:
        """Every document of a ``startAt`` list. It ends where ``isLast`` or ``total`` says, else at an empty page."""
        start = 0
        while True:
            limit = {"maxResults": size} if size else {}
            page = self.api.get(path, {**(params or {}), "startAt": start, **limit}, endpoint=endpoint)
            values = page.get(key) or []
            yield from values
            start += len(values)
            total = page.get("total")
            if not values or page.get("isLast") is True or (total is not None and start >= total):
                return
