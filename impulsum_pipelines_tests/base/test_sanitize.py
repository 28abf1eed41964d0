"""Every secret is removed, in any context; ordinary words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impulsum_pipelines.base.sanitize import LONGEST, sanitized
from impulsum_pipelines.settings import load_settings

SECRETS = [
    "postgresql+psycopg2://ops:{}@db.invalid:5432/ops is down",
    "https://{}@github.invalid/acme/site.git",
    "mailtos://robot:{}@mail.invalid?to=team@acme.invalid",
    "https://a.invalid/hook?token={}&page=2",
    "https://a.invalid/x?page=2&api_key={}",
    "connection failed: host=db user=ops password={} dbname=ops",
    "connection failed: host=db password='{}' dbname=ops",
    "Authorization: Bearer {}",
    "{{'Authorization': 'Basic {}', 'Accept': '*/*'}}",
    "header X-Api-Key: {} was refused",
    '{{"client_secret": "{}", "name": "robot"}}',
    "Cookie: session={}; d=1",
    "refused bearer {} of somebody",
    "smtp_password = {}",
]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("secret", ["hunter2-and-more", "YWxhZGRpbjpvcGVu/c2VzYW1l+Q==", "p@ss:w0rd"])
def test_a_secret_beside_its_name_is_removed(text: str, secret: str) -> None:
    cleaned = sanitized(text.format(secret))
    assert secret not in cleaned
    assert "***" in cleaned


@pytest.mark.parametrize(
    "token",
    [
        "xoxb-123456789012-abcdefABCDEF",
        "xapp-1-A0123-456-abcdef",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0123456789_abcdefghijk",
        "ntn_123456789012abcdefghijklmnop",
        "ATATT3xFfGF0abcdefghijk_lmnop-qrs=ABCDEF12",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "https://hooks.slack.com/services/T000/B000/abcdefghij",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_token_of_a_known_shape_is_removed(token: str) -> None:
    cleaned = sanitized(f"the service said {token} is not valid")
    assert token not in cleaned
    assert cleaned.startswith("the service said ") and cleaned.endswith(" is not valid")


def test_a_configured_secret_is_removed_anywhere_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREFLIES_API_KEY", "plainlettersonly")
    monkeypatch.setenv("TEMPO_API_TOKEN", "plainletters")
    assert sanitized("it said: plainlettersonly, plainletters", load_settings()) == "it said: ***, ***"


@pytest.mark.parametrize(
    "text",
    [
        "The raw file of jira is gone after a load",
        "acme.atlassian.net answered 503",
        'connection to server at "127.0.0.1", port 5432 failed: password authentication failed for user "ops"',
        "acme.invalid no longer accepts the token of jira, which worked until 2026-11-01 10:00 UTC",
        "No answer from https://api.github.com/repos/acme/site?page=2: ReadTimeout",
        "mail of alex@acme.invalid was refused",
        "",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert sanitized(text) == text


@given(st.text())
def test_any_text_becomes_storable(text: str) -> None:
    cleaned = sanitized(text)
    assert "\x00" not in cleaned
    assert len(cleaned) <= LONGEST
    assert cleaned.encode("utf-8").decode() == cleaned


def test_a_long_text_is_cut_short() -> None:
    assert sanitized("x" * 9000) == "x" * (LONGEST - 1) + "…"
    assert sanitized("lone \ud800 half") == "lone ? half"


def test_each_of_several_secrets_in_one_setting_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_WEBHOOK_SECRET", "firstofthem, secondofthem")
    monkeypatch.setenv("IMPULSUM_ALERT_CHANNELS", "slack://plainword/otherword")
    cleaned = sanitized("sent secondofthem and slack://plainword/otherword", load_settings())
    assert "secondofthem" not in cleaned and "plainword" not in cleaned
