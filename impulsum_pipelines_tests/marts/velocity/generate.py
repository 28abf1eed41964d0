"""Random team histories, small and dense: few minutes, so that everything happens at the same instants."""

from __future__ import annotations

from random import Random
from typing import Any

from impulsum_pipelines_tests.marts.velocity.world import (
    CANCELLED,
    DONE,
    IN_PROGRESS,
    POINT_ESTIMATE,
    STORY_POINTS,
    TO_DO,
    Board,
    Issue,
    Sprint,
    Timeline,
    World,
)

NOW = 60
SEEDS = range(500)


def _timeline(random: Random, created: int, values: list[Any], changes: int) -> Timeline:
    line: Timeline = [(created, random.choice(values))]
    for minute in sorted(random.randint(created, NOW - 1) for _ in range(random.randint(0, changes))):
        if (value := random.choice(values)) != line[-1][1]:
            line.append((minute, value))
    return line


def world(seed: int) -> World:
    """The world of a seed: one board (known, half known or unknown), up to four sprints, up to six issues."""
    random = Random(seed)
    board = str(1001 + seed)
    kind = random.choice(["points", "points", "points", "estimate", "none", "no columns", "unknown"])
    boards = {
        "points": [Board(board)],
        "estimate": [Board(board, POINT_ESTIMATE)],
        "none": [Board(board, None)],
        "no columns": [Board(board, columns=())],
        "unknown": [],
    }[kind]
    sprints = []
    for number in range(random.randint(1, 4)):
        state = random.choice(["closed", "closed", "active", "future"])
        start, end = random.randint(3, 40), random.randint(41, 55)
        complete = random.choice([end - 6, end, end + 4, None]) if state == "closed" else None
        start_at = None if state == "future" else start
        deleted = NOW - 1 if random.random() < 0.1 else None
        sprints.append(Sprint(f"{board}{number:02d}", board, start_at, end, complete, state, deleted))
    names = [sprint.id for sprint in sprints]
    issues = []
    for number in range(random.randint(1, 6)):
        created = random.randint(0, 20)
        memberships = [tuple(sorted(random.sample(names, random.randint(0, min(2, len(names)))))) for _ in range(4)]
        status = _timeline(random, created, [TO_DO, IN_PROGRESS, DONE, DONE, CANCELLED], 5)
        issues.append(
            Issue(
                id=f"{board}{number:03d}",
                project=board,
                status=status,
                points={
                    STORY_POINTS: _timeline(random, created, [None, 0, 1, 3, 3, 5.5, 1200], 4),
                    POINT_ESTIMATE: _timeline(random, created, [None, 2, 8], 2),
                },
                sprints=_timeline(random, created, memberships, 5),
                subtask=_timeline(random, created, [False, True] if random.random() < 0.2 else [False], 2),
                resolved=random.randint(0, NOW - 1) if random.random() < 0.5 else None,
                deleted=random.randint(created + 1, NOW - 1) if random.random() < 0.1 else None,
            )
        )
    return World(issues, sprints, boards, NOW)
