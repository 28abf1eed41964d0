"""How each vendor sends webhooks: its signature, delivery id, handshake, and the headers that we keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from impulsum_pipelines.webhooks.receiving.signatures import Scheme, Stamp

#: Ids and challenges: printable ASCII, which any database and any HTTP answer can carry.
_TOKEN = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True)
class Vendor:
    """How one vendor sends webhooks.

    Args:
        title: the vendor's name, for people.
        scheme: how it signs.
        id_header: header with the delivery id, which is the same at every retry.
        id_field: field of the body with the delivery id, when no header has it.
        headers: lower-case names of the headers that we keep: harmless ones, never credentials.
        echo_parameter: query parameter of the GET handshake; we answer with its value.
        challenge: ``type`` of the handshake body; we answer with its field ``challenge``.
        secret_field: field of the handshake body that contains the secret of later deliveries.
    """

    title: str
    scheme: Scheme
    id_header: str | None = None
    id_field: str | None = None
    headers: frozenset[str] = frozenset()
    echo_parameter: str | None = None
    challenge: str | None = None
    secret_field: str | None = None

    def delivery_id(self, headers: Mapping[str, str], document: Any) -> str | None:
        """The vendor's id of this delivery; None when it gives none.

        Args:
            headers: by lower-case name.
            document: the parsed body; None when it is not JSON.
        """
        found = headers.get(self.id_header) if self.id_header else None
        return token(found or _field(document, self.id_field))

    def challenge_answer(self, document: Any) -> str | None:
        """The answer to a handshake body; None when the body is an event."""
        if self.challenge is None or _field(document, "type") != self.challenge:
            return None
        return token(_field(document, "challenge"))

    def new_secret(self, document: Any) -> str | None:
        """The secret in a handshake body; None when the body is an event."""
        return token(_field(document, self.secret_field))


def content_key(body: bytes) -> str:
    """The key of a delivery whose vendor gives no id: a hash of the body."""
    return f"sha256:{sha256(body).hexdigest()}"


def token(value: object) -> str | None:
    """The value if it is printable ASCII of 1 to 256 characters, else None."""
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _field(document: Any, name: str | None) -> object:
    return document.get(name) if name and isinstance(document, dict) else None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: Headers that we keep for every vendor.
COMMON_HEADERS = frozenset({"content-type", "user-agent"})

VENDORS: Mapping[str, Vendor] = {
    "jira": Vendor(
        title="Jira",
        # WebSub: the method is the prefix. Only webhooks made by an administrator are signed like this.
        scheme=Scheme("x-hub-signature", prefixes=("sha256", "sha384", "sha512")),
        id_header="x-atlassian-webhook-identifier",
        headers=frozenset({"x-atlassian-webhook-identifier", "x-atlassian-webhook-retry", "x-atlassian-webhook-flow"}),
    ),
    "github": Vendor(
        title="GitHub",
        scheme=Scheme("x-hub-signature-256"),
        id_header="x-github-delivery",
        headers=frozenset(
            {
                *("x-github-event", "x-github-delivery", "x-github-hook-id", "x-github-enterprise-host"),
                *("x-github-hook-installation-target-type", "x-github-hook-installation-target-id"),
            }
        ),
    ),
    "slack": Vendor(
        title="Slack",
        scheme=Scheme(
            "x-slack-signature",
            prefixes=("v0",),
            stamp=Stamp("x-slack-request-timestamp", timedelta(minutes=5), lambda moment: str(int(moment.timestamp()))),
            signed=lambda body, stamp: b"v0:" + stamp + b":" + body,
        ),
        id_field="event_id",
        headers=frozenset({"x-slack-retry-num", "x-slack-retry-reason", "x-slack-request-timestamp"}),
        challenge="url_verification",
    ),
    "fireflies": Vendor(
        title="Fireflies",
        # Version 1 of its webhooks sends digits without a prefix. Neither version has a delivery id.
        scheme=Scheme("x-hub-signature", prefixes=("sha256", "")),
    ),
    "notion": Vendor(
        title="Notion",
        scheme=Scheme("x-notion-signature"),
        id_field="id",
        secret_field="verification_token",  # noqa: S106  # the field's name
    ),
    "tempo": Vendor(
        title="Tempo",
        scheme=Scheme(
            "tempo-signature",
            prefixes=("",),
            # The vendor documents that this is the time of the first try, and it tries ten times in up to 150
            # minutes: a window of minutes would reject every delivery that we once failed to take. Replays are
            # recognised by their eventId, which is signed.
            stamp=Stamp("tempo-timestamp", timedelta(hours=3), _iso),
            signed=lambda body, stamp: body + stamp,
        ),
        id_field="eventId",
        headers=frozenset({"tempo-timestamp", "tempo-tenant-id"}),
        echo_parameter="randomString",
    ),
}
