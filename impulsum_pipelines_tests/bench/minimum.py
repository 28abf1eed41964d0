"""The fewest requests that can return everything in each source: records divided by the vendor's page sizes.

Counted from the sandbox's truth, not from our code: the page sizes are the vendors' documented maxima. A pull needs
more requests than this minimum only to prove something (a count, a second reading, the account of the token).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from impulsum_pipelines.sandbox.server import Running

Truth = Mapping[str, Mapping[str, Mapping[str, Any]]]


def pages(records: int, size: int) -> int:
    """Pages for so many records; an empty list is one page."""
    return max(1, -(-records // size))


def _by(rows: Iterable[Mapping[str, Any]], column: str) -> Counter[Any]:
    return Counter(row[column] for row in rows)


def jira(site: Running) -> int:
    """Ids by search (5,000 a page), documents by bulk fetch (100), changelogs of issues with more than the 40
    histories that a document carries (1,000 issues), worklogs by their feed and list (1,000 each); projects, users,
    boards (with a configuration each), sprints of a board (50), versions of a project (50), fields and statuses.

    https://developer.atlassian.com/cloud/jira/platform/rest/v3/
    """
    at, store = site.world.site, site.world.store

    def count(sql: str) -> int:
        return int(store.db.execute(sql).fetchone()[0])

    issues, worklogs = count("SELECT count(*) FROM issues"), count("SELECT count(*) FROM worklogs")
    long = count("SELECT count(*) FROM (SELECT 1 FROM histories GROUP BY issue_id HAVING count(*) > 40)")
    sprints = Counter(sprint.board_id for sprint in at.sprints.values())
    reference = 2 + pages(len(at.projects), 100) + pages(len(at.users), 1_000) + pages(len(at.boards), 50)
    a_board = sum(1 + pages(sprints[board.id] + len(board.borrowed), 50) for board in at.boards.values())
    a_project = sum(pages(count, 50) for count in _versions(at.versions.values(), at.projects))
    of_issues = pages(issues, 5_000) + pages(issues, 100) + (pages(long, 1_000) if long else 0)
    return reference + a_board + a_project + of_issues + 2 * pages(worklogs, 1_000)


def _versions(versions: Iterable[Any], projects: Iterable[str]) -> list[int]:
    counted = Counter(version.project_id for version in versions)
    return [counted[project] for project in projects]


def github(site: Running) -> int:
    """Lists of 100 a repository; and of each pull request its document, reviews and commits, of each deployment its
    statuses, which no list carries.

    https://docs.github.com/en/rest
    """
    truth = site.control("github/truth")
    return sum(_of_repository(truth, repository) for repository in truth["repositories"])


def _of_repository(truth: Truth, repository: str) -> int:
    def of(table: str) -> list[str]:
        return [row_id for row_id, row in truth[table].items() if row["repository_id"] == repository]

    pulls = of("pull_requests")
    reviews, statuses = (
        _by(truth[table].values(), column)
        for table, column in (("reviews", "pull_request_id"), ("deployment_statuses", "deployment_id"))
    )
    of_pulls = [truth["pull_requests"][pull]["commit_total"] for pull in pulls]
    on_default = max(len(of("commits")) - sum(of_pulls), 0)
    lists = ("review_comments", "issue_comments", "releases", "deployments", "workflow_runs", "pull_requests")
    return (
        1
        + pages(len(of("issues")) + len(pulls), 100)
        + pages(on_default, 100)
        + sum(pages(len(of(table)), 100) for table in lists)
        + sum(
            1 + pages(reviews[pull], 100) + pages(commits, 100) for pull, commits in zip(pulls, of_pulls, strict=True)
        )
        + sum(pages(statuses[deployment], 100) for deployment in of("deployments"))
    )


def slack(site: Running) -> int:
    """Channels (1,000 a page) and users (200); of each channel that the bot is in its members (1,000) and its
    messages (999), of each message that was answered its thread (999).

    https://docs.slack.dev/reference/methods
    """
    truth = site.control("slack/truth")
    read = [row_id for row_id, channel in truth["channels"].items() if channel["is_member"]]
    members = _by(truth["members"].values(), "channel_id")
    shown = [m for m in truth["messages"].values() if m["thread_ts"] in (None, m["ts"])]
    roots = [message for message in shown if message["reply_count"]]
    return (
        pages(len(truth["channels"]), 1_000)
        + pages(len(truth["users"]), 200)
        + sum(pages(members[channel], 1_000) for channel in read)
        + sum(pages(_by(shown, "channel_id")[channel], 999) for channel in read)
        + sum(pages(1 + root["reply_count"], 999) for root in roots)
    )


def fireflies(site: Running) -> int:
    """The account; the list of meetings (50 a page); whole meetings, five a request: the vendor gives no number, an
    hour of talk is some 250 KB.

    https://docs.fireflies.ai/graphql-api/query/transcripts
    """
    meetings = site.control("fireflies/truth")["transcripts"]
    return 1 + pages(len(meetings), 50) + pages(len(meetings), 5)


def notion(site: Running) -> int:
    """Search and users (100 a page), each database; pages of a data source (100), blocks of a page or of a block
    that has any (100), comments of a page (100).

    https://developers.notion.com/reference/intro
    """
    truth = site.control("notion/truth")
    sources, alive, users = truth["data_sources"], truth["pages"], truth["users"]
    in_source = _by(alive.values(), "data_source_id")
    children = _by(truth["blocks"].values(), "parent_id")
    comments = _by(truth["comments"].values(), "page_id")
    return (
        pages(len(alive) + len(sources), 100)
        + pages(len(users), 100)
        + len({source["database_id"] for source in sources.values()})
        + sum(pages(in_source[source], 100) for source in sources)
        + sum(pages(children[parent], 100) for parent in alive.keys() | children.keys())
        + sum(pages(comments[page], 100) for page in alive)
    )


def tempo(site: Running) -> int:
    """Worklogs and plans (5,000 a page), accounts, teams, schemes and their members (no limit documented: 1,000).

    https://apidocs.tempo.io/
    """
    truth = site.control("tempo/truth")
    sizes = {"worklogs": 5_000, "plans": 5_000, "accounts": 1_000, "teams": 1_000, "team_members": 1_000}
    sizes |= {"workload_schemes": 1_000, "workload_scheme_members": 1_000}
    return sum(pages(len(truth[table]), size) for table, size in sizes.items())


#: By source: the fewest requests of a first pull.
MINIMUM: Mapping[str, Callable[[Running], int]] = {
    "jira": jira,
    "github": github,
    "slack": slack,
    "fireflies": fireflies,
    "notion": notion,
    "tempo": tempo,
}
