"""Tempo's endpoints as we use them: one method each, paging included.

Vendor pages: the REST interface v4 (https://apidocs.tempo.io) and the best practices for it
(https://tempo-io.atlassian.net/wiki/spaces/KB/pages/2653650984/Best+Practices+for+Tempo+Cloud+REST+API): 5 requests
per second, a wait of at least one second after a 429.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from urllib.parse import urlencode, urlsplit

from pyrate_limiter import Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, BearerAuth
from impulsum_pipelines.sources.base.limits import Budget
from impulsum_pipelines.sources.base.paging import Paging
from impulsum_pipelines.sources.registry import off_error
from impulsum_pipelines.sources.tempo.refusals import to_error
from impulsum_pipelines.sources.tempo.rows import Document

PAGE = 5_000  # worklogs and plans
REFERENCE_PAGE = 1_000  # no maximum is documented: a server that gives less sends a link to the next page
AUDIT_PAGE = 1_000
#: The vendor allows 5 requests per second. We count over a little more than one second, because requests can arrive
#: closer together than we sent them.
RATE = Rate(5, 1_200)
#: Plans can only be requested for a span of days, and the documents depend on it: so it is always the same.
PLAN_SPAN = ("2000-01-01", "2099-12-31")

Pages = Iterator[list[Document]]


class TempoClient:
    """Reads one Tempo site with a user's token."""

    def __init__(self, settings: Settings) -> None:
        if not settings.tempo.api_token:
            raise off_error("tempo", settings)
        self.api = Api(
            "Tempo",
            settings.tempo.api_url,
            auth=BearerAuth(settings.tempo.api_token.get_secret_value()),
            budget=Budget(Home.of(settings).limits, urlsplit(settings.tempo.api_url).netloc, lambda kind: [RATE]),
            connections=1,
            to_error=to_error,
        )

    # ----------------------------------------------------------------- hours

    def worklogs_updated(self, since: datetime) -> Pages:
        """Worklogs that changed since an instant (whole seconds), newest change first.

        Without any other filter: the vendor says that they do not combine. In this order a change made during the walk
        can only repeat a row, never hide one; a deletion can still hide one.
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
        """Teams that the token's user sees."""
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
        """The people in these workload schemes. This list pages by fields of the body, and names no next page."""
        offset, more = 0, bool(scheme_ids)
        while more:
            path, body = "/workload-schemes/members/search", {"schemeIds": list(scheme_ids), "limit": PAGE}
            page = self._read("POST", path, path, body | {"offset": offset})
            yield page["results"]
            limit = (page.get("metadata") or {}).get("limit")
            offset += len(page["results"])
            more = bool(page["results"]) and len(page["results"]) >= (limit if isinstance(limit, int) else PAGE)

    # ------------------------------------------------------------- audit log

    def deletions(self, kinds: Sequence[str], since: datetime, until: datetime | None = None) -> Iterator[Document]:
        """Deletions in the audit log: the kind of object, its id, and when it was deleted.

        Raises:
            ImpulsumError: of category permission when the token's user may not read the log; of category configuration
                when ``since`` is before the log's 180 days.
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
        """Every page of a list, by following ``metadata.next``, on our own host only.

        There is no total with which to compare, so after a full page without a link we request one more page.
        """
        paging = Paging("Tempo", path)
        link: str | None = f"{path}?{urlencode(query)}"
        while link:
            page = self._read(method, link, path, body)
            results, metadata = page["results"], page.get("metadata") or {}
            yield results
            link = metadata.get("next") or _after_full_page(path, query, metadata, len(results))
            link = paging.next(link, found=len(results))

    def _read(self, method: str, link: str, path: str, body: Document | None) -> Document:
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


def _after_full_page(path: str, query: Document, metadata: Document, count: int) -> str | None:
    """The link to the page after a full one that names no next page; None when the page is not full."""
    limit, offset = metadata.get("limit"), metadata.get("offset")
    if not isinstance(limit, int) or not isinstance(offset, int) or limit < 1 or count < limit:
        return None
    return f"{path}?{urlencode({**query, 'offset': offset + limit, 'limit': limit})}"


def _seconds(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _milliseconds(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
