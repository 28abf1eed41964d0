"""One person in six tools: matched by verified address, then by the mapping file, never by name."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pytest

from impulsum_pipelines.cli import main
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.marts.people import copy_mapping
from impulsum_pipelines.settings import Settings
from impulsum_pipelines_tests.marts.conftest import Query

pytestmark = pytest.mark.xdist_group("marts")


def test_accounts_of_one_verified_address_are_one_person(rows: Query) -> None:
    assert rows(
        "select tool, account_id, matched_by from core.person_accounts where person_id = 'jira:j-ann' order by all"
    ) == [
        ("fireflies", "ann@firm.test", "email"),
        ("github", "ann-codes", "email"),
        ("github", "typed@nowhere.test", "mapping"),
        ("jira", "j-ann", "email"),
        ("notion", "n-ann", "email"),
        # the mapping file gives it to Olga, but a verified address wins
        ("slack", "UANN", "email"),
        ("tempo", "j-ann", "same account"),
    ]
    assert rows(
        "select person_name, email, account_count, is_resolved from core.people where person_id = 'jira:j-ann'"
    ) == [("Ann", "ann@firm.test", 7, True)]


def test_the_mapping_file_maps_accounts_that_no_address_matches(rows: Query) -> None:
    assert rows(
        "select tool, account_id, matched_by, account_kind from core.person_accounts "
        "where person_id = 'jira:j-olga' order by all"
    ) == [
        ("fireflies", "Olga from home", "mapping", "name"),
        ("github", "night-owl", "mapping", "account"),
        ("jira", "j-olga", "own address", "account"),
    ]


def test_names_are_never_compared(rows: Query) -> None:
    assert rows("select person_id, is_resolved from core.people where person_name = 'Sam' order by all") == [
        ("jira:j-sam", False),
        ("slack:USAM", True),
    ]
    assert rows("select person_id from core.person_accounts where account_kind = 'name' and account_id = 'Sam'") == [
        (None,)
    ]


def test_an_unverified_address_proves_nothing(rows: Query) -> None:
    assert rows(
        "select account_kind, person_id, is_resolved from core.person_accounts where account_id = 'olga@firm.test'"
    ) == [("unverified address", None, False)]


def test_a_name_or_an_unverified_address_that_equals_an_account_is_the_account(rows: Query) -> None:
    assert rows(
        "select tool, account_id, account_kind, email from core.person_accounts "
        "where account_id in ('kim', 'sales@firm.test') order by all"
    ) == [
        ("fireflies", "sales@firm.test", "account", "sales@firm.test"),
        ("github", "kim", "account", "kim@firm.test"),
    ]


def test_bots_are_no_person_even_with_an_address(rows: Query) -> None:
    assert rows("select tool, account_id, person_id from core.person_accounts where is_bot order by all") == [
        ("github", "helper[bot]", None),
        ("jira", "j-robot", None),
        ("slack", "UBOT", None),
    ]


def test_unresolved_accounts_are_listed(rows: Query) -> None:
    assert rows("select tool, account_id from core.person_accounts where not is_resolved order by all") == [
        ("fireflies", "Ann"),
        ("fireflies", "Sam"),
        ("github", "ci-app"),
        ("github", "olga@firm.test"),
        ("jira", "j-sam"),
        ("tempo", "j-ghost"),
        ("tempo", "j-sam"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("who,account,person\n", "line 1"),
        ("tool,account,person\ngithub,owl\n", "line 2"),
        ("tool,account,person\n\nteams,owl,owl@firm.test\n", "'teams' is none of"),
        ("tool,account,person\ngithub,owl,Owl\n", "not an e-mail address"),
        ("tool,account,person\ngithub,owl,a@b.c\n# twice\ngithub,owl,d@e.f\n", "already on line 2"),
        ("tool,account,person\ngithub,\xff,a@b.c\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_its_line(tmp_path: Path, text: str | bytes, why: str) -> None:
    (tmp_path / "people.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ImpulsumError, match=why) as refused:
        copy_mapping(Settings(impulsum_home=tmp_path), tmp_path / "copy")
    assert refused.value.category is Category.CONFIGURATION
    assert not (tmp_path / "copy").exists()


def test_a_configured_mapping_file_must_exist_and_the_default_need_not(tmp_path: Path) -> None:
    assert copy_mapping(Settings(impulsum_home=tmp_path), tmp_path / "copy") == 0
    with pytest.raises(ImpulsumError, match="does not exist"):
        copy_mapping(Settings(impulsum_home=tmp_path, impulsum_people=tmp_path / "no.csv"), tmp_path / "copy")


def test_a_file_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text('\ufefftool,account,person\n GitHub ,"owl, night",Olga@Firm.Test\n')
    assert copy_mapping(Settings(impulsum_home=tmp_path), tmp_path / "copy") == 1
    assert (tmp_path / "copy" / "people.csv").read_text().splitlines()[1] == 'github,"owl, night",olga@firm.test'


def test_a_build_stops_at_a_wrong_mapping_file_and_says_where(
    tmp_path: Path,
    light_instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "people.csv").write_text("tool,account,person\ngithub,owl\n")
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(light_instance))
    with pytest.raises(SystemExit) as ended:
        main(["build"])
    assert ended.value.code == 2
    assert "line 2" in capsys.readouterr().err
    assert not (home / "impulsum.duckdb").exists()
