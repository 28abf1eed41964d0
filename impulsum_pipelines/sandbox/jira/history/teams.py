"""The site of a generated history: its people, and up to three teams that work differently.

The teams differ where models of sprints often fail: a company-managed project estimates in ``Story Points``, a
team-managed one in ``Story point estimate`` with its own statuses, and one board counts issues. The status Cancelled
has the category done but no column on a company-managed board; on the team-managed board it is in the right-most one.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from impulsum_pipelines.sandbox.jira.site import (
    STORY_POINT_ESTIMATE_FIELD,
    STORY_POINTS_FIELD,
    Board,
    JiraSiteData,
    JiraUser,
    JiraVersion,
    Project,
    Status,
)

_FIRST = "Ada Bela Carlos Dina Emil Farah Goran Hana Ivo Jana Kofi Lena Mateo Nadia Omar Petra Quinn Rosa Sami Tova"
_LAST = "Abel Brandt Costa Diaz Engel Fischer Gomes Haas Iliev Jansen Kato Lund Moreau Novak Okafor Petrov Rossi Silva"
_PROJECTS = (("ATLAS", "Atlas Platform"), ("BEAM", "Beam Mobile"), ("CARGO", "Cargo Operations"))


@dataclass(frozen=True)
class Workflow:
    """The statuses of one project."""

    to_do: Status
    in_progress: Status
    in_review: Status
    done: Status
    cancelled: Status

    def counterpart(self, status_id: str, other: Workflow) -> Status:
        """The status of ``other`` that corresponds to one of this workflow."""
        names = ("to_do", "in_progress", "in_review", "done", "cancelled")
        name = next(n for n in names if getattr(self, n).id == status_id)
        found: Status = getattr(other, name)
        return found


@dataclass(frozen=True)
class ScrumTeam:
    """A project, its board, its workflow and its members."""

    project: Project
    board: Board
    workflow: Workflow
    members: tuple[JiraUser, ...]


def build_site(rng: Random, *, teams: int, people: int, time_zone: str) -> tuple[JiraSiteData, list[ScrumTeam]]:
    """A site with its teams, without any issue.

    Args:
        rng: chooses names and accounts.
        teams: how many projects, 1 to 3.
        people: members of each team.
        time_zone: zone of the token user's profile.
    """
    account = JiraUser("sandbox-account", "Sandbox Account", "sandbox@example.com", time_zone=time_zone)
    site = JiraSiteData(account, users={account.account_id: account})
    shared = _workflow(site, 10000, None)
    built = []
    for number, (key, name) in enumerate(_PROJECTS[:teams]):
        project = Project(str(10100 + number), key, name, team_managed=number == 1)
        site.projects[project.id] = project
        workflow = _workflow(site, 10200, project.id) if project.team_managed else shared
        board = Board(
            number + 1,
            f"{name} board",
            project.id,
            _columns(workflow, cancelled_is_mapped=project.team_managed),
            (STORY_POINTS_FIELD, STORY_POINT_ESTIMATE_FIELD, None)[number],
            type="simple" if project.team_managed else "scrum",
        )
        site.boards[board.id] = board
        members = tuple(_person(rng, site, number) for _ in range(people))
        for release in range(1, 5):
            version = JiraVersion(str(10300 + number * 10 + release), project.id, f"{release}.0", released=release < 4)
            site.versions[version.id] = version
        built.append(ScrumTeam(project, board, workflow, members))
    return site, built


def _workflow(site: JiraSiteData, first_id: int, project_id: str | None) -> Workflow:
    statuses = [
        Status(str(first_id), "To Do", "new", project_id),
        Status(str(first_id + 1), "In Progress", "indeterminate", project_id),
        Status(str(first_id + 2), "In Review", "indeterminate", project_id),
        Status(str(first_id + 3), "Done", "done", project_id),
        Status(str(first_id + 4), "Cancelled", "done", project_id),
    ]
    site.statuses |= {status.id: status for status in statuses}
    return Workflow(*statuses)


def _columns(workflow: Workflow, *, cancelled_is_mapped: bool) -> list[tuple[str, list[str]]]:
    done = [workflow.done.id, workflow.cancelled.id] if cancelled_is_mapped else [workflow.done.id]
    return [
        ("To Do", [workflow.to_do.id]),
        ("In Progress", [workflow.in_progress.id]),
        ("In Review", [workflow.in_review.id]),
        ("Done", done),
    ]


def _person(rng: Random, site: JiraSiteData, team: int) -> JiraUser:
    name = f"{rng.choice(_FIRST.split())} {rng.choice(_LAST.split())}"
    account_id = f"712020:{team}{len(site.users):04d}-{rng.getrandbits(48):012x}"
    # At Atlassian each person decides who sees the e-mail address: some hide theirs from every API.
    hidden = len(site.users) % 4 == 0
    email = None if hidden else f"{name.lower().replace(' ', '.')}.{len(site.users)}@example.com"
    user = JiraUser(account_id, name, email, active=rng.random() < 0.95, time_zone="Europe/Berlin")
    site.users[account_id] = user
    return user
