"""Stories of one sprint each, and the expected row of the velocity table."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines_tests.marts.velocity.world import (
    CANCELLED,
    DONE,
    IN_PROGRESS,
    NO_CATEGORY,
    POINT_ESTIMATE,
    STORY_POINTS,
    TO_DO,
    UNSEEN_POINTS,
    Board,
    Issue,
    Sprint,
    Timeline,
    World,
)

NOW = 1000
START, END = 100, 200


class Story:
    """One scenario: a board ``b``, its closed sprint ``b1`` of minutes 100 to 200, and what happened to its issues."""

    def __init__(self, board: str, **options: Any) -> None:
        self.board = board
        self.sprint = f"{board}1"
        first = {"start": START, "end": END, "complete": END, "state": "closed"} | options.pop("sprint", {})
        self.sprints = [Sprint(self.sprint, board, **first), *options.pop("more", [])]
        self.boards = options.pop("boards", [Board(board, options.pop("estimation", STORY_POINTS))])
        self.issues: list[Issue] = []

    def issue(
        self,
        *,
        points: Any = 3,
        sprints: Timeline | None = None,
        status: Timeline | None = None,
        field: str = STORY_POINTS,
        unseen_points: Timeline | None = None,
        **options: Any,
    ) -> Story:
        """Add an issue; by default it was in the sprint since its creation, and nobody began it."""
        line = points if isinstance(points, list) else [(0, points)]
        self.issues.append(
            Issue(
                id=f"{self.board}{len(self.issues):03d}",
                project=options.pop("project", self.board),
                status=status or [(0, TO_DO)],
                points={field: line} | ({UNSEEN_POINTS: unseen_points} if unseen_points else {}),
                sprints=sprints or [(0, (self.sprint,))],
                **options,
            )
        )
        return self

    @property
    def world(self) -> World:
        return World(self.issues, self.sprints, self.boards, NOW)


def into(sprint: str, minute: int, out: int | None = None) -> Timeline:
    """Put into the sprint at a minute, and out again at another."""
    return [(0, ()), (minute, (sprint,)), *([(out, ())] if out else [])]


def done(minute: int, *more: tuple[int, str]) -> Timeline:
    return [(0, TO_DO), (minute, DONE), *more]


#: name -> (the story, what its sprint's row must say)
STORIES: dict[str, tuple[Story, dict[str, Any]]] = {
    "added and removed within the sprint": (
        Story("11").issue(sprints=into("111", 120, out=150)),
        {"added_points": 3, "added_issues": 1, "removed_points": 3, "removed_issues": 1, "final_issues": 0},
    ),
    "removed, then added again": (
        Story("12").issue(sprints=[(0, ("121",)), (120, ()), (150, ("121",))], status=done(180)),
        {"committed_issues": 1, "removed_issues": 1, "added_issues": 1, "final_points": 3, "completed_points": 3,
         "completed_committed_points": 3, "say_do_ratio": 1.0},
    ),
    "re-estimated before the start": (
        Story("13").issue(points=[(0, 3), (50, 5)]),
        {"committed_points": 5, "reestimated_points": 0, "final_points": 5},
    ),
    "re-estimated during the sprint": (
        Story("14").issue(points=[(0, 3), (150, 8)]),
        {"committed_points": 3, "reestimated_points": 5, "reestimated_issues": 1, "final_points": 8},
    ),
    "re-estimated after the end": (
        Story("15").issue(points=[(0, 3), (250, 8)], status=done(150)),
        {"committed_points": 3, "reestimated_points": 0, "completed_points": 3, "say_do_ratio": 1.0},
    ),
    "re-estimated at the instants of joining and leaving": (
        Story("16").issue(points=[(0, 3), (120, 5), (150, 8)], sprints=into("161", 120, out=150)),
        {"added_points": 5, "removed_points": 5, "reestimated_points": 0, "final_points": 0},
    ),
    "estimates above a thousand have a comma in the changelog": (
        Story("17").issue(points=[(0, 1200), (150, 2400.5)]),
        {"committed_points": 1200, "reestimated_points": 1200.5, "final_points": 2400.5},
    ),
    "equal estimates count each": (
        Story("18").issue(points=5, status=done(150)).issue(points=5, status=done(150)).issue(points=5),
        {"committed_points": 15, "committed_issues": 3, "completed_points": 10, "throughput_ratio": 10 / 15},
    ),
    "in two sprints at once, the first": (
        Story("19", more=[Sprint("192", "19", 150, 260, 260)]).issue(sprints=[(0, ("191", "192"))], status=done(170)),
        {"committed_issues": 1, "completed_points": 3},
    ),
    "done before the start": (
        Story("20").issue(status=done(50)).issue(points=2),
        {"committed_points": 2, "final_points": 2, "completed_issues": 0, "completed_outside_points": 3},
    ),
    "done before it was added": (
        Story("21").issue(status=done(50), sprints=into("211", 150)),
        {"added_points": 3, "final_points": 3, "completed_issues": 0, "completed_outside_points": 3,
         "unfinished_issues": 0},
    ),
    "done after the planned end and before the actual completion": (
        Story("22", sprint={"complete": 260}).issue(status=done(230)),
        {"completed_points": 3, "completed_issues": 1},
    ),
    "done at the instant of completion, and just after": (
        Story("23").issue(status=done(200)).issue(status=done(201)),
        {"completed_issues": 1, "unfinished_issues": 1},
    ),
    "a sprint closed without a completion time ends as planned": (
        Story("24", sprint={"complete": None}).issue(status=done(200)).issue(status=done(201)),
        {"completed_issues": 1, "unfinished_issues": 1, "completed_at": None},
    ),
    "reopened after the close": (
        Story("25").issue(status=done(150, (300, TO_DO))),
        {"completed_points": 3, "unfinished_issues": 0, "reopened_since_close_issues": 1,
         "reopened_since_close_points": 3},
    ),
    "reopened and done again inside": (
        Story("26").issue(status=done(50, (120, IN_PROGRESS), (150, DONE))),
        {"committed_issues": 0, "added_points": 3, "added_issues": 1, "completed_points": 3},
    ),
    "sub-tasks follow their parent": (
        Story("27").issue(subtask=[(0, True)], status=done(150)).issue(points=2),
        {"committed_points": 2, "committed_issues": 1, "completed_issues": 0},
    ),
    "made a sub-task after the end, and inside": (
        Story("47").issue(subtask=[(0, False), (300, True)], status=done(150))
        .issue(points=2, subtask=[(0, False), (150, True)], status=done(120)),
        {"committed_points": 5, "removed_points": 2, "done_then_removed_points": 2, "completed_points": 3},
    ),
    "made an issue of its own inside": (
        Story("48").issue(subtask=[(0, True), (150, False)]),
        {"committed_issues": 0, "added_points": 3, "final_points": 3},
    ),
    "moved to another project, still in the sprint": (
        Story("28").issue(project="99", status=done(150)),
        {"committed_issues": 1, "completed_points": 3},
    ),
    "moved to another team's sprint": (
        Story("29", more=[Sprint("302", "30", 150, 260, 260)], boards=[Board("29"), Board("30")])
        .issue(sprints=[(0, ("291",)), (160, ("302",))]),
        {"committed_issues": 1, "removed_points": 3, "final_issues": 0, "carryover_issues": 0},
    ),
    "carried over to the next sprint": (
        Story("31", more=[Sprint("312", "31", 210, 300, 300)])
        .issue(sprints=[(0, ("311",)), (200, ("311", "312"))]).issue(points=2),
        {"removed_issues": 0, "unfinished_points": 5, "carryover_points": 3, "carryover_issues": 1},
    ),
    "carried over to a planned sprint": (
        Story("32", more=[Sprint("322", "32", None, 300, None, "future")])
        .issue(sprints=[(0, ("321",)), (200, ("321", "322"))]),
        {"unfinished_issues": 1, "carryover_issues": 1},
    ),
    "a sprint that was reopened is active again": (
        Story("33", sprint={"state": "active", "complete": None}).issue(status=done(300)),
        {"state": "active", "completed_points": 3},
    ),
    "a sprint that was deleted": (
        Story("34", sprint={"deleted": 300}).issue(status=done(150)).issue(sprints=into("341", 0, out=300)),
        {"is_deleted": True, "committed_issues": 2, "completed_issues": 1, "final_issues": 2},
    ),
    "an issue that was deleted leaves": (
        Story("35").issue(deleted=150).issue(points=2, deleted=250, status=done(120)),
        {"committed_points": 5, "removed_points": 3, "final_points": 2, "completed_points": 2},
    ),
    "unestimated issues": (
        Story("36").issue(points=None).issue(points=[(0, None), (150, 5)]),
        {"committed_points": 0, "committed_issues": 2, "unestimated_committed_issues": 2, "unestimated_issues": 1,
         "reestimated_points": 5, "final_points": 5, "say_do_ratio": None, "say_do_issue_ratio": 0.0},
    ),
    "estimate cleared": (
        Story("37").issue(points=[(0, 5), (150, None)]),
        {"committed_points": 5, "reestimated_points": -5, "final_points": 0, "unestimated_issues": 1},
    ),
    "a status on no column is not done": (
        Story("38").issue(status=[(0, TO_DO), (150, CANCELLED)]),
        {"completed_issues": 0, "unfinished_issues": 1, "unmapped_status_issues": 1},
    ),
    "without the board, done goes by category": (
        Story("39", boards=[]).issue(status=[(0, TO_DO), (150, CANCELLED)], field=POINT_ESTIMATE),
        {"done_rule": "status_category", "estimation_field": "Story point estimate", "completed_points": 3,
         "unmapped_status_issues": 0},
    ),
    "a status without a category is not done": (
        Story("49", boards=[]).issue(status=[(0, NO_CATEGORY), (150, DONE)]).issue(status=[(0, NO_CATEGORY)]),
        {"completed_issues": 1, "unfinished_issues": 1},
    ),
    "a team without points gets full counts": (
        Story("40", estimation=None).issue(status=done(150)).issue(sprints=into("401", 120)),
        {"committed_issues": 1, "added_issues": 1, "completed_issues": 1, "final_issues": 2, "committed_points": None,
         "final_points": None, "say_do_ratio": None, "say_do_issue_ratio": 1.0},
    ),
    "done, then removed": (
        Story("41").issue(status=done(120), sprints=into("411", 0, out=150)),
        {"removed_points": 3, "done_then_removed_points": 3, "done_then_removed_issues": 1, "completed_issues": 0},
    ),
    "several moves at one instant: the last one holds": (
        Story("42").issue(status=[(0, TO_DO), (150, DONE), (150, TO_DO), (150, DONE)]),
        {"completed_issues": 1, "unfinished_issues": 0},
    ),
    "a lost history: the resolution says when it was done": (
        Story("43").issue(status=[(0, DONE)], resolved=150).issue(status=[(0, DONE)], resolved=250)
        .issue(status=[(0, DONE)], resolved=50),
        {"committed_issues": 2, "completed_issues": 1, "unfinished_issues": 1, "completed_outside_issues": 1},
    ),
    "from one done status to another is not done again": (
        Story("44", boards=[Board("44", columns=((TO_DO,), (DONE, CANCELLED)))])
        .issue(status=done(50, (150, CANCELLED))),
        {"committed_issues": 0, "completed_issues": 0, "completed_outside_issues": 1},
    ),
    "carried over beside other sprints, which end before, go on, are deleted or come after": (
        Story("46", more=[
            Sprint("462", "46", 120, 180, 180), Sprint("463", "46", 150, 260, 260),
            Sprint("464", "46", 205, 300, None, "active", deleted=250), Sprint("465", "46", 210, 300, 300),
        ])
        .issue(points=1, sprints=[(0, ("461", "462"))]).issue(points=2, sprints=[(0, ("461",)), (200, ("461", "463"))])
        .issue(points=4, sprints=[(0, ("461",)), (201, ("461", "464"))])
        .issue(points=8, sprints=[(0, ("461",)), (201, ("461", "465"))]),
        {"unfinished_points": 15, "carryover_points": 10, "carryover_issues": 2},
    ),
    "a team that chooses another estimation field and other columns": (
        Story("45", more=[Sprint("452", "45", 210, 300, None, "active")])
        .issue(status=done(150), unseen_points=[(0, 7)])
        .issue(status=done(250), sprints=into("452", 205), unseen_points=[(0, 5), (250, 13)]),
        {"committed_points": 3, "completed_points": 3},
    ),
}  # fmt: skip
