"""The tables that the demo shows of a published file, which has the columns of the contract."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from impulsum_pipelines.cli.commands.demo import show_overview
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.contract.compare import written

_TABLES = ("velocity.sprint_velocity", "velocity.trends", "velocity.portfolio", "risk.signals")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published file with the tables of the overview, all of them empty."""
    file = tmp_path / "home" / "impulsum.duckdb"
    file.parent.mkdir()
    with duckdb.connect(file) as connection:
        for table in _TABLES:
            columns = ", ".join(written()["published"][table]["columns"])
            connection.execute(f"create schema if not exists {table.partition('.')[0]}")
            connection.execute(f"create table {table} ({columns})")
    return file


def shown(capsys: pytest.CaptureFixture[str]) -> tuple[list[list[str]], str]:
    """The cells of each line that the overview prints, and its notes."""
    show_overview(load_settings())
    out, err = capsys.readouterr()
    return [[cell for cell in line.split("  ") if cell] for line in out.splitlines() if line.strip()], err


def test_what_is_empty_is_said(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, notes = shown(capsys)
    assert lines == []
    assert [line.split()[0] for line in notes.splitlines()] == ["No"] * len(_TABLES)


def test_boards_are_shown_in_points_or_in_issues(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(published) as connection:
        connection.execute(
            """
            insert into velocity.sprint_velocity by name
            select 'one' as board_id, 'One board' as board_name, 'ONE ' || n as sprint_name,
                timestamptz '2026-11-01' + to_days(14 * n::int) as started_at,
                if(n = 6, 'active', 'closed') as state, 10.5 as committed_points, 3 as added_points,
                1 as removed_points, -2 as reestimated_points, 10.5 as final_points, 7 as completed_points,
                0.667 as say_do_ratio
            from range(1, 7) t(n)
            union all by name
            select 'two' as board_id, 'Two board' as board_name, 'TWO 1' as sprint_name, 'closed' as state,
                timestamptz '2026-11-01' as started_at, 4 as committed_issues, 1 as added_issues,
                0 as removed_issues, 0 as reestimated_issues, 5 as final_issues, 5 as completed_issues,
                1.0 as say_do_issue_ratio;

            insert into velocity.trends by name
            select 'one' as board_id, 'One board' as board_name, date '2026-10-01' as month, true as is_over,
                20 as committed_points, 15 as completed_points, 5 as carryover_points, 0.75 as say_do_ratio
            union all by name
            select 'one' as board_id, 'One board' as board_name, date '2026-11-01' as month, false as is_over,
                30 as committed_points, 30 as completed_points, 0 as carryover_points, null as say_do_ratio;

            insert into velocity.portfolio by name
            select 'one' as board_id, 'One board' as board_name, timestamptz '2026-11-15' as active_planned_end_at,
                10.5 as active_committed_points, 2.5 as active_scope_change_points, 4 as active_completed_points,
                12.25 as velocity_points, -0.1 as velocity_change_points, 1 as open_p1_risks, 2 as open_p2_risks,
                3 as open_p3_risks
            union all by name
            select 'two' as board_id, 'Two board' as board_name, 9.2 as velocity_issues, 0 as open_p1_risks,
                0 as open_p2_risks, 0 as open_p3_risks;

            insert into risk.signals by name
            select 'ageing:' || n as signal_id, 'ageing' as kind, 'issue' as subject_kind, 'ONE-' || n as subject_key,
                'P1' as severity, 100 - n as score, n < 3 as is_open, 'Too old, ' || n || '.' as why
            from range(1, 4) t(n)
            union all by name
            select 'scope_growth:7' as signal_id, 'scope_growth' as kind, 'sprint' as subject_kind,
                '7' as subject_key, 'ONE 6' as subject_name, 'P2' as severity, 60 as score, true as is_open,
                'Grew.' as why;
            """
        )
    lines, notes = shown(capsys)
    assert notes == ""
    cells = [[cell.strip() for cell in line] for line in lines]
    assert [line for line in cells if line[0].startswith(("ONE", "TWO"))] == [
        ["ONE 3", "points", "10.5", "3", "1", "-2", "10.5", "7", "67 %"],
        ["ONE 4", "points", "10.5", "3", "1", "-2", "10.5", "7", "67 %"],
        ["ONE 5", "points", "10.5", "3", "1", "-2", "10.5", "7", "67 %"],
        ["ONE 6", "points", "10.5", "3", "1", "-2", "10.5", "7", "active"],
        ["TWO 1", "issues", "4", "1", "0", "0", "5", "5", "100 %"],
    ]
    assert [line for line in cells if line[0] in {"One board", "Two board"}] == [
        ["One board", "2026-10", "points", "20", "15", "5", "75 %"],
        ["One board", "2026-11 *", "points", "30", "30", "0"],
        ["One board", "Nov 15", "4 of 13", "12.3 points", "-10 %", "1", "2", "3"],
        ["Two board", "9.2 issues", "0", "0", "0"],
    ]
    assert [line for line in cells if line[0] in {"P1", "P2"}] == [
        ["P1", "ageing", "2", "ONE-1", "Too old, 1."],
        ["P2", "scope growth", "1", "ONE 6", "Grew."],
    ]
