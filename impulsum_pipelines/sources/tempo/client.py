"""Tempo's endpoints as we use them: one method each, paging included.

Vendor pages: the REST interface v4 (https://apidocs.tempo.io) and the best practices for it
(https://tempo-io.atlassian.net/wiki/spaces/KB/pages/2653650984/Best+Practices+for+Tempo+Cloud+REST+API): 5 requests
a second, a wait of at least a second after a 429.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from pyrate_limiter import Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, BearerAuth, retry_after
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.registry import off_error
from impulsum_pipelines.sources.tempo.rows import Document

PAGE = 5_000  # worklogs and plans
REFERENCE_PAGE = 1_000  # no limit is documented: a server that gives less says so by its next link
AUDIT_PAGE = 1_000
#: The vendor allows 5 requests a second. Over a little more than that second, because requests that we send apart
#: can arrive closer together.
RATE = Rate(5, 1_200)
#: Least wait after a 429, s; the vendor's word.
LEAST_WAIT = 1.0
#: Plans must be asked for by a span of days, and what they answer depends on it: always the same one, then.
PLAN_SPAN = ("2000-01-01", "2099-12-31")

Pages = Iterator[list[Document]]


class TempoClient:
    """Reads one Tempo with a user's token."""

    def __init__(self, settings: Settings) -> None:
        if not settings.tempo.api_token:
            raise off_error("tempo", settings)
        self.api = Api(
            "Tempo",
            settings.tempo.api_url,
            auth=BearerAuth(settings.tempo.api_token.get_secret_value()),
            budget=Budget(Home.of(settings).limits, urlsplit(settings.tempo.api_url).netloc, lambda kind: [RATE]),
            connections=1,
            judge=judge,
        )

    # ----------------------------------------------------------------- hours

    def worklogs_updated(self, since: datetime) -> Pages:
        """Worklogs that changed since an instant (whole seconds), newest change first.

        No other filter goes with it: the vendor says that they do not combine. The order is the one under which a
        change made during the walk can only repeat a row, never hide one; a deletion still can.
        """
        yield from self._pages(
            "GET", "/worklogs", {"updatedFrom": _seconds(since), "orderBy": "UPDATED", "limit": PAGE}
        )

    def worklogs_worked(self, first: date, last: date) -> Pages:
        """Worklogs by work date, both days included."""
        span = {"from": first.isoformat(), "to": last.isoformat()}
        yield from self._pages("GET", "/worklogs", {**span, "limit": PAGE})

    def plans(self, since: datetime) -> Pages:
        """Plans that changed since an instant."""
        first, last = PLAN_SPAN
        yield from self._pages(
            "GET", "/plans", {"from": first, "to": last, "updatedFrom": _seconds(since), "limit": PAGE}
        )

    # ------------------------------------------------------------- reference

    def accounts(self) -> Pages:
        """Accounts, open and closed."""
        yield from self._pages("GET", "/accounts", {"limit": REFERENCE_PAGE})

    def teams(self) -> Pages:
        """Teams that the user sees."""
        yield from self._pages("GET", "/teams", {"limit": REFERENCE_PAGE})

    def memberships(self, team_ids: Sequence[int]) -> Pages:
        """Memberships of teams, ended ones included."""
        if team_ids:
            body = {"teamIds": list(team_ids)}
            yield from self._pages("POST", "/team-memberships/search", {"limit": REFERENCE_PAGE}, body)

    def workload_schemes(self) -> Pages:
        """Workload schemes."""
        yield from self._pages("GET", "/workload-schemes", {"limit": REFERENCE_PAGE})

    def workload_scheme_members(self, scheme_ids: Sequence[int]) -> Pages:
        """Who is in which workload scheme. It pages by its body alone, and names no next page."""
        offset, more = 0, bool(scheme_ids)
        while more:
            path, body = "/workload-schemes/members/search", {"schemeIds": list(scheme_ids), "limit": PAGE}
            page = self._ask("POST", path, path, body | {"offset": offset})
            yield page["results"]
            limit = (page.get("metadata") or {}).get("limit")
            offset += len(page["results"])
            more = bool(page["results"]) and len(page["results"]) >= (limit if isinstance(limit, int) else PAGE)

    # ------------------------------------------------------------- audit log

    def deletions(self, kinds: Sequence[str], since: datetime, until: datetime | None = None) -> Iterator[Document]:
        """Deletions in the audit log: what kind of thing, its id, and when.

        Raises:
            ImpulsumError: of category permission without the permission; of category configuration when ``since`` is
                further back than the log's 180 days.
        """
        body = {"from": _milliseconds(since), "entityType": list(kinds), "action": ["Deleted"]}
        if until:
            body["to"] = _milliseconds(until)
        paging = Paging("Tempo", "/papertrail/search")
        query: Document = {"limit": AUDIT_PAGE}
        while True:
            page = self.api.post(paging.endpoint, body, params=query, kind="any")
            yield from page.get("results") or []
            token = paging.next((page.get("metadata") or {}).get("nextPageToken"))
            if not token:
                return
            query["nextPageToken"] = token

    # ---------------------------------------------------------------- paging

    def _pages(self, method: str, path: str, query: Document, body: Document | None = None) -> Pages:
        """Every page of a list: on to ``metadata.next`` until there is none, on our own host only.

        There is no total to hold the end against, so a last page that is full is not believed to be the last.
        """
        paging = Paging("Tempo", path)
        link: str | None = f"{path}?{urlencode(query)}"
        while link:
            page = self._ask(method, link, path, body)
            results, metadata = page["results"], page.get("metadata") or {}
            yield results
            link = metadata.get("next") or _behind(path, query, metadata, len(results))
            link = paging.next(link, found=len(results))

    def _ask(self, method: str, link: str, path: str, body: Document | None) -> Document:
        page = (
            self.api.get(link, endpoint=path, kind="any")
            if body is None
            else self.api.post(link, body, endpoint=path, kind="any")
        )
        if isinstance(page, dict) and isinstance(page.get("results"), list):
            return page
        raise ImpulsumError(
            Category.BAD_DATA,
            f"{self.api.site} answered without a list of results",
            where=f"Tempo {method} {path}",
            next_step="check that TEMPO_API_URL ends in /4; if it does, run again.",
        )


def judge(response: requests.Response, body: Any) -> ImpulsumError | None:
    """An answer as Tempo means it; None where the status alone decides."""
    site = urlsplit(str(response.url)).netloc
    if response.status_code == 429 and (asked := retry_after(response.headers.get("Retry-After"))) is not None:
        wait = max(asked, LEAST_WAIT)
        return ImpulsumError(
            Category.RATE_LIMIT,
            f"{site} limits requests, to be asked again after {wait:g} s",
            next_step="nothing: the next pull goes on from the same watermark.",
            retry_after=wait,
        )
    if response.status_code == 401:
        return ImpulsumError(
            Category.AUTHENTICATION,
            f"{site} refused the token{_said(body)}",
            next_step="check TEMPO_API_TOKEN (Tempo > Settings > API integration), and that TEMPO_API_URL is the "
            "region that holds the data: api.tempo.io, api.eu.tempo.io or api.us.tempo.io.",
        )
    if response.status_code == 403:
        return ImpulsumError(
            Category.PERMISSION,
            f"The token's user may not read this{_said(body)}",
            next_step="ask a Tempo administrator for the permission (View all worklogs; audit log; plans; teams).",
        )
    if response.status_code == 400:
        return ImpulsumError(
            Category.CONFIGURATION,
            f"{site} answered 400{_said(body)}",
            next_step="correct the setting that the message names; if none is named, report it as a bug.",
        )
    return _cut_short(site, response, body)


def _cut_short(site: str, response: requests.Response, body: Any) -> ImpulsumError | None:
    """A page that holds another number of results than it says."""
    if not response.ok or not isinstance(body, dict):
        return None
    counted, results = (body.get("metadata") or {}).get("count"), body.get("results")
    if isinstance(counted, int) and isinstance(results, list) and counted != len(results):
        return ImpulsumError(
            Category.BAD_DATA,
            f"{site} sent a page of {len(results)} results that says it has {counted}",
            next_step="run again; if it stays, a proxy may cut answers.",
        )
    return None


def _said(body: Any) -> str:
    """What Tempo said: ``errors`` is one message or a list of them."""
    errors = body.get("errors") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else [errors]
    texts = [str(error["message"]) for error in listed if isinstance(error, dict) and error.get("message")]
    return f": {' '.join(texts)[:300]}" if texts else ""


def _behind(path: str, query: Document, metadata: Document, count: int) -> str | None:
    """The page behind a full one that names no next page; None behind one that is not full."""
    limit, offset = metadata.get("limit"), metadata.get("offset")
    if not isinstance(limit, int) or not isinstance(offset, int) or limit < 1 or count < limit:
        return None
    return f"{path}?{urlencode({**query, 'offset': offset + limit, 'limit': limit})}"


def _seconds(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _milliseconds(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
