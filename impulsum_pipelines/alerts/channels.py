"""Where alerts go: Apprise knows the services, we see to the id of a message and to the secrets in an address.

An address holds passwords and tokens. What is shown, stored and logged of it is its name: the scheme, and the host
where the address has one (in ``slack://…`` a token stands in its place). Apprise's own log, and urllib3's, which writes
the paths of requests, are kept from going anywhere while we send.

An id goes along where the service takes one: as ``Message-ID`` of a mail, and as ``Idempotency-Key`` header of
webhooks (json, xml, form and whatever else takes headers; json, xml and form have it in the document too). Elsewhere,
Slack for one, people see the first characters of it at the end of the text.
"""

from __future__ import annotations

import email
import logging
import re
import smtplib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from pydantic import SecretStr

from impulsum_pipelines.alerts.messages import Message
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings

if TYPE_CHECKING:
    from apprise import NotifyBase

#: Schemes whose address begins with a server; of any other the place of the host may hold a token.
_WITH_HOST = {"http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "apprise"}
_HOST = re.compile(r"^(localhost|\[[0-9a-f:]+\]|[a-z0-9-]+(\.[a-z0-9-]+)+)$")

#: Seconds in which a mail server must answer, unless the address says otherwise (``cto=``): others wait meanwhile.
_MAIL_SECONDS = 5

_LOUD = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests")


@dataclass(frozen=True)
class Channel:
    """One place that messages go to.

    Args:
        name: for people and for the store; no secret is in it.
        address: the Apprise address.
    """

    name: str
    address: SecretStr


@dataclass(frozen=True)
class Channels:
    """The configured channels.

    Args:
        alerts: those that every alert goes to.
        escalation: those that hear of a P0 that nobody acknowledged.
    """

    alerts: tuple[Channel, ...]
    escalation: tuple[Channel, ...]

    @classmethod
    def of(cls, settings: Settings) -> Channels:
        """The channels that the settings name; an address in both settings is one channel."""
        both = list(dict.fromkeys([*settings.impulsum_alert_channels, *settings.impulsum_escalation_channels]))
        named = dict(zip(both, _named(both), strict=True))
        alerts = tuple(named[address] for address in dict.fromkeys(settings.impulsum_alert_channels))
        escalation = tuple(named[address] for address in dict.fromkeys(settings.impulsum_escalation_channels))
        return cls(alerts, escalation or alerts)

    @property
    def every(self) -> dict[str, Channel]:
        """All of them, by name."""
        return {channel.name: channel for channel in (*self.alerts, *self.escalation)}


class Sender:
    """Sends to one channel. Opening it reaches for nothing yet.

    Raises:
        ImpulsumError: of category configuration when Apprise cannot make sense of the address, or it names several
            recipients.
    """

    def __init__(self, channel: Channel) -> None:
        from apprise import Apprise, AppriseAsset

        self._channel = channel
        with _hushed():
            plugin = Apprise.instantiate(channel.address.get_secret_value(), asset=AppriseAsset(app_id="Impulsum"))
        if plugin is None:
            raise ImpulsumError(
                Category.CONFIGURATION,
                "Apprise does not know this kind of address, or a part of it is missing",
                where=channel.name,
                next_step="correct IMPULSUM_ALERT_CHANNELS or IMPULSUM_ESCALATION_CHANNELS.",
            )
        if len(plugin) > 1 or getattr(plugin, "cc", None) or getattr(plugin, "bcc", None):
            # If one of them refuses, all would be sent each repeat, for days.
            raise ImpulsumError(
                Category.CONFIGURATION,
                "The address names several recipients",
                where=channel.name,
                next_step="give each an address of its own, or write to a mailing list.",
            )
        self._plugin: NotifyBase = plugin

    def send(self, message: Message) -> None:
        """Send once; returns when the service has taken it.

        Raises:
            ImpulsumError: it did not, or did not say so; nothing of the address is in the reason.
        """
        from apprise.plugins.email import NotifyEmail

        with _hushed() as heard:
            try:
                if isinstance(self._plugin, NotifyEmail):
                    taken = _mail(self._plugin, message)
                else:
                    taken = _notify(self._plugin, message)
            except Exception as error:  # noqa: BLE001 - a plug-in for any of a hundred services
                heard.append(f"{type(error).__name__}: {error}")
                taken = False
        if not taken:
            said = _scrubbed(" ".join(heard) or "no reason given", self._channel.address)
            raise ImpulsumError(
                Category.NETWORK,
                f"The message was not taken: {said}",
                where=self._channel.name,
                safe="It is kept, and sent again later.",
                next_step="if it stays so, see whether the service is up and the address is right: "
                "`impulsum alerts test`.",
            )


def _notify(plugin: NotifyBase, message: Message) -> bool:
    from apprise import NotifyFormat, NotifyType

    # Of the plug-ins, those that let an address add headers, or fields of the document, say so.
    if "headers" in plugin.template_kwargs:
        cast(Any, plugin).headers["Idempotency-Key"] = message.message_id
    if "payload" in plugin.template_kwargs:
        cast(Any, plugin).payload_extras["message_id"] = message.message_id
    kind = {"P0": NotifyType.FAILURE, "P1": NotifyType.WARNING}.get(message.priority, NotifyType.INFO)
    return plugin.notify(
        body=message.body,
        title=message.title,
        notify_type=NotifyType.SUCCESS if message.over else kind,
        body_format=NotifyFormat.TEXT,
    )


def _mail(plugin: Any, message: Message) -> bool:
    """Apprise's own way to send a mail, but for the Message-ID: it always makes a new one.

    A header of ours would only stand beside that. The mails, the connection and the login are Apprise's still.
    """
    from apprise import NotifyFormat
    from apprise.plugins.email.smtp import AppriseSMTPController

    mails = plugin.prepare_emails(
        subject=message.title,
        body=message.body,
        notify_format=NotifyFormat.TEXT,
        from_addr=plugin.from_addr,
        to=plugin.targets,
        reply_to=plugin.reply_to,
        smtp_host=plugin.smtp_host,
        headers={"X-Application": plugin.app_id, **plugin.headers},
        names=plugin.names,
        pgp=plugin.pgp,
        pgp_mode=plugin.pgp_mode,
        tzinfo=plugin.tzinfo,
    )
    try:
        with AppriseSMTPController(
            host=plugin.smtp_host,
            port=plugin.port,
            secure_mode=plugin.secure_mode,
            user=plugin.user,
            password=plugin.password,
            verify_certificate=plugin.verify_certificate,
            socket_connect_timeout=vars(plugin).get("socket_connect_timeout", _MAIL_SECONDS),
        ) as server:
            return all(_hand_over(server, plugin.from_addr[1], mail, message.message_id) for mail in mails)
    except smtplib.SMTPResponseException as error:
        logging.getLogger("apprise").warning("The mail server answered %s", error.smtp_code)
        return False


def _hand_over(server: Any, sender: str, mail: Any, message_id: str) -> bool:
    text = email.message_from_string(mail.body)
    text.replace_header("Message-ID", f"<{message_id}>")
    return bool(server.sendmail(sender, mail.to_addrs, text.as_string()))


def _named(addresses: Sequence[SecretStr]) -> Iterator[Channel]:
    seen: dict[str, int] = {}
    for address in addresses:
        name = _shown(address.get_secret_value())
        seen[name] = seen.get(name, 0) + 1
        yield Channel(name if seen[name] == 1 else f"{name} #{seen[name]}", address)


def _shown(address: str) -> str:
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    host = re.sub(r":\d+$", "", re.split(r"[/?#]", rest)[0].rpartition("@")[2]).lower()
    # Where a password holds a stray / or #, its user stands in this place: no host, and not shown.
    return f"{scheme}://{host}" if scheme in _WITH_HOST and _HOST.match(host) else scheme


def _scrubbed(said: str, address: SecretStr) -> str:
    """A reason without any part of the address but its host."""
    whole = address.get_secret_value()
    _, _, rest = whole.partition("://")
    host = _shown(whole).partition("://")[2]
    parts = {part for piece in (rest, unquote(rest)) for part in [piece, *re.split(r"[/?#@:&=,]", piece)]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= 3 and part.lower() != host:
            said = said.replace(part, "…")
    return " ".join(said.split())[:500]


class _Hush(logging.Filter):
    """Takes what a thread logs, and lets what other threads log pass."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        said = record.getMessage()
        if record.name == "apprise" and (record.levelno >= logging.WARNING or said.startswith("Socket Exception")):
            self.heard.append(said)
        return False


@contextmanager
def _hushed() -> Iterator[list[str]]:
    """What Apprise says is wrong, instead of in the log."""
    hush = _Hush()
    loggers = [logging.getLogger(name) for name in _LOUD]
    for logger in loggers:
        logger.addFilter(hush)
    # Whatever the root logger is set to: the reason is needed, the rest may hold the address.
    loggers[0].setLevel(logging.DEBUG)
    try:
        yield hush.heard
    finally:
        for logger in loggers:
            logger.removeFilter(hush)
