"""Signatures: known answers of each vendor, and what is rejected."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "It's a Secret to Everybody"
SLACK_SECRET, SLACK_TIME = "8f742231b10e8888abcd99yyyzzz85a5", "1531420618"
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def hexadecimal(secret: str, message: bytes, method: str = "sha256") -> str:
    """The digest, computed with the standard library."""
    return hmac.new(secret.encode(), message, method).hexdigest()


def verify(source: str, headers: dict[str, str], body: bytes, secrets: tuple[str, ...] = (SECRET,)) -> None:
    VENDORS[source].scheme.verify(secrets, headers, body, NOW)


def refusal(source: str, headers: dict[str, str], body: bytes, now: datetime = NOW) -> str:
    with pytest.raises(ImpulsumError) as raised:
        VENDORS[source].scheme.verify((SECRET,), headers, body, now)
    assert raised.value.category is Category.AUTHENTICATION
    return raised.value.what


def test_every_source_has_a_vendor() -> None:
    assert set(VENDORS) == {source.name for source in SOURCES}


def test_known_answer_of_jira() -> None:
    answer = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    verify("jira", {"x-hub-signature": f"sha256={answer}"}, b"Hello World!")
    assert VENDORS["jira"].scheme.sign(SECRET, b"Hello World!", NOW) == {"x-hub-signature": f"sha256={answer}"}


def test_jira_names_the_method() -> None:
    for method in ("sha256", "sha384", "sha512"):
        verify("jira", {"x-hub-signature": f"{method}={hexadecimal(SECRET, b'x', method)}"}, b"x")
    assert "missing or malformed" in refusal(
        "jira", {"x-hub-signature": f"sha1={hexadecimal(SECRET, b'x', 'sha1')}"}, b"x"
    )


def test_known_answer_of_github() -> None:
    answer = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verify("github", {"x-hub-signature-256": f"sha256={answer}"}, b"Hello, World!")
    assert VENDORS["github"].scheme.sign(SECRET, b"Hello, World!", NOW) == {"x-hub-signature-256": f"sha256={answer}"}


def test_known_answer_of_slack() -> None:
    answer = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    headers = {"x-slack-signature": answer, "x-slack-request-timestamp": SLACK_TIME}
    then = datetime.fromtimestamp(int(SLACK_TIME), UTC)
    VENDORS["slack"].scheme.verify((SLACK_SECRET,), headers, SLACK_BODY, then)
    assert VENDORS["slack"].scheme.sign(SLACK_SECRET, SLACK_BODY, then) == headers


def test_known_answers_of_notion() -> None:
    """The cases of the vendor's own library, with digests from another implementation."""
    body, secret = b'{"id":"fixed-evt","type":"page.created"}', "fixed-verification-token"
    digits = hexadecimal(secret, body)
    verify("notion", {"x-notion-signature": f"sha256={digits}"}, body, (secret,))
    verify("notion", {"x-notion-signature": f"sha256={digits.upper()}"}, body, (secret,))
    for wrong in (digits, "sha256=not-hex-content-here", "sha256=abcdef", "sha256="):
        refusal("notion", {"x-notion-signature": wrong}, body)


def test_known_answers_of_fireflies() -> None:
    body = b'{"meetingId":"ASxwZxCstx","eventType":"Transcription completed"}'
    digits = hexadecimal(SECRET, body)
    verify("fireflies", {"x-hub-signature": digits}, body)  # version 1
    verify("fireflies", {"x-hub-signature": f"sha256={digits}"}, body)  # version 2


def test_known_answer_of_tempo() -> None:
    """The body, directly followed by the time exactly as in the header."""
    time, body = "2026-11-20T11:59:35.786Z", '{"eventId":"ü"}'.encode()
    digits = hashlib.sha256  # the HMAC built by hand, once: RFC 2104
    key = SECRET.encode().ljust(64, b"\0")
    inner = digits(bytes(byte ^ 0x36 for byte in key) + body + time.encode()).digest()
    answer = digits(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()
    verify("tempo", {"tempo-signature": answer, "tempo-timestamp": time}, body)
    refusal("tempo", {"tempo-signature": answer, "tempo-timestamp": time.replace("Z", "+00:00")}, body)


@pytest.mark.parametrize("source", VENDORS)
def test_a_wrong_signature_is_rejected(source: str) -> None:
    scheme, body = VENDORS[source].scheme, b'{"id": 1}'
    signed = scheme.sign(SECRET, body, NOW)
    verify(source, signed, body)
    assert "is wrong" in refusal(source, signed, body + b" ")
    assert "is wrong" in refusal(source, scheme.sign("another", body, NOW), body)
    cut = signed | {scheme.header: signed[scheme.header][:-2]}
    assert "is wrong" in refusal(source, cut, body)
    for form in ("", "sha256", "sha256=", "v0=zz", "md5=" + "0" * 32, "ü" * 64, "0" * 63, "sha256= " + "0" * 64):
        assert "missing or malformed" in refusal(source, signed | {scheme.header: form}, body)


@pytest.mark.parametrize("source", VENDORS)
def test_several_secrets_are_valid_at_once(source: str) -> None:
    scheme = VENDORS[source].scheme
    for secret in ("old", "new"):
        scheme.verify(("old", "new"), scheme.sign(secret, b"{}", NOW), b"{}", NOW)
    with pytest.raises(ImpulsumError):
        scheme.verify((), scheme.sign("", b"{}", NOW), b"{}", NOW)


@pytest.mark.parametrize("source", [source for source in VENDORS if VENDORS[source].scheme.stamp])
def test_an_old_or_future_time_is_rejected_though_signed(source: str) -> None:
    scheme = VENDORS[source].scheme
    assert scheme.stamp
    for sign in (-1, 1):
        inside, outside = NOW + sign * scheme.stamp.window, NOW + sign * (scheme.stamp.window + timedelta(seconds=1))
        verify(source, scheme.sign(SECRET, b"{}", inside), b"{}")
        assert "from now" in refusal(source, scheme.sign(SECRET, b"{}", outside), b"{}")


@pytest.mark.parametrize("source", [source for source in VENDORS if VENDORS[source].scheme.stamp])
@pytest.mark.parametrize(
    "text", ["", "yesterday", "9" * 13, "9" * 400, "1763640000.5", "2026-11-20T12:00:00", "0001-01-01T00:00:00+23:59"]
)
def test_a_malformed_time_is_rejected_though_signed(source: str, text: str) -> None:
    scheme = VENDORS[source].scheme
    assert scheme.stamp
    digits = hexadecimal(SECRET, scheme.signed(b"{}", text.encode()))
    prefix = scheme.prefixes[0]
    headers = {scheme.header: f"{prefix}={digits}" if prefix else digits, scheme.stamp.header: text}
    assert "from now" in refusal(source, headers, b"{}")


def test_windows_are_those_of_the_vendors() -> None:
    """Tempo stamps all of its tries, up to 150 minutes of them, with the time of the first."""
    windows = {source: vendor.scheme.stamp.window for source, vendor in VENDORS.items() if vendor.scheme.stamp}
    assert windows == {"slack": timedelta(minutes=5), "tempo": timedelta(hours=3)}


@given(body=st.binary(max_size=200), secret=st.text(min_size=1, max_size=40), other=st.binary(max_size=200))
def test_only_the_exact_bytes_pass(body: bytes, secret: str, other: bytes) -> None:
    for vendor in VENDORS.values():
        headers = vendor.scheme.sign(secret, body, NOW)
        vendor.scheme.verify((secret,), headers, body, NOW)
        if other != body:
            with pytest.raises(ImpulsumError):
                vendor.scheme.verify((secret,), headers, other, NOW)
