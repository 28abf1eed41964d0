"""Each check of Slack passes on sound data, and is seen to fail on data corrupted in the way that it guards against."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks import slack
from impulsum_pipelines.checks.source import source_checks
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.checks import support

[SLACK] = [source for source in SOURCES if source.name == "slack"]
evaluate = partial(support.evaluate, "slack")

SOUND = """
insert into raw.channels (id, name, type, is_member, num_members) values
    ('C1', 'general', 'public_channel', true, 2), ('C2', 'leads', 'private_channel', true, 1),
    ('C3', 'design', 'public_channel', false, 9), ('D1', null, 'im', true, null);
insert into raw.members (id, channel_id, user_id) values ('C1:U1', 'C1', 'U1'), ('C1:U2', 'C1', 'U2'),
    ('C2:U1', 'C2', 'U1'), ('D1:U1', 'D1', 'U1');
insert into raw.members (id, channel_id, user_id, deleted_at) values ('C1:U3', 'C1', 'U3', now());
insert into raw.messages (id, channel_id, ts, thread_ts, is_reply, reply_count, channel_type, subtype) values
    ('C1:1', 'C1', '1', '1', false, 2, 'public_channel', null),
    ('C1:2', 'C1', '2', '1', true, null, 'public_channel', null),
    ('C1:3', 'C1', '3', '1', true, null, 'public_channel', 'thread_broadcast'),
    ('C2:1', 'C2', '1', null, false, null, 'private_channel', 'channel_join');
insert into raw.syncs (sync_id, source, mode, status, started_at, watermark_to, streams) values
    ('s1', 'slack', 'live', 'done', now(), now(), '{"messages": {"ended": "complete"}}');
"""

_MANY = "insert into raw.messages (id, channel_id, ts, is_reply, reply_count, channel_type) "
_CUT = """update raw.syncs set streams =
    '{"messages": {"ended": "complete; Slack gives 15 messages a page, not the 999 asked for"}}'"""
#: (check, table, what breaks, statement, severity)
CORRUPTIONS = [
    ("threads_whole", "messages", "a reply lost", "delete from raw.messages where id = 'C1:2'", "WARN"),
    ("threads_whole", "messages", "a thread lost", _MANY + "values ('C1:9', 'C1', '9', false, 40, 'public_channel')",
     "ERROR"),
    ("channels_read", "messages", "a channel not read", "delete from raw.messages where channel_id = 'C2'", "ERROR"),
    ("channels_read", "messages", "a bot in no channel", "update raw.channels set is_member = false", "WARN"),
    ("visibility", "messages", "made private", "update raw.channels set type = 'private_channel' where id = 'C1'",
     "ERROR"),
    ("visibility", "messages", "made public", "update raw.channels set type = 'public_channel' where id = 'C2'",
     "WARN"),
    ("page_size", "messages", "pages cut", _CUT, "WARN"),
    ("members_whole", "members", "a member lost", "delete from raw.members where id = 'C1:U2'", "WARN"),
    ("members_whole", "members", "a list cut short", "update raw.channels set num_members = 900 where id = 'C1'",
     "ERROR"),
    ("no_orphans", "messages", "no channel", "update raw.messages set channel_id = 'C9' where id = 'C2:1'", "ERROR"),
    ("no_orphans", "members", "no channel", "update raw.members set channel_id = 'C9' where id = 'C2:U1'", "ERROR"),
    ("no_rootless_replies", "messages", "a root lost", "delete from raw.messages where id = 'C1:1'", "ERROR"),
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a small, sound raw file of Slack."""
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    return support.home_with(slack=SOUND)


def test_sound_data_passes_every_check(home: Home) -> None:
    found = {(c.table, c.name): evaluate(home, c.name, c.table) for c in source_checks(SLACK)}
    assert {key: finding.text for key, finding in found.items() if not finding.passed} == {}


@pytest.mark.parametrize(
    ("name", "table", "what", "statement", "severity"), CORRUPTIONS, ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS]
)
def test_corrupted_data_fails(home: Home, name: str, table: str, what: str, statement: str, severity: str) -> None:
    with home.write_raw("slack") as connection:
        connection.execute(statement)
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert ("ERROR" if found.serious else "WARN") == severity
    assert found.numbers


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in slack.CHECKS}


def test_an_empty_file_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    home = Home.of(load_settings())
    ensure_tables(home, "slack")
    assert all(evaluate(home, check.name, check.table).passed for check in slack.CHECKS)
