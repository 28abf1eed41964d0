"""The channels that alerts are sent to. Apprise talks to the services; this module adds message ids and hides secrets.

An address contains passwords and tokens. Only its name is shown, stored and logged: the scheme, and the host where the
address has one (in ``slack://…`` a token stands in that place). While a message is sent, the logs of Apprise and of
urllib3, which writes the paths of requests, are captured and go nowhere.

A message carries its id where the service takes one: as ``Message-ID`` of a mail, and as ``Idempotency-Key`` header of
webhooks (json, xml, form and every other service that takes headers; json, xml and form also have it in the document).
With other services, such as Slack, people see its first characters at the end of the text.
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

#: Schemes whose address begins with a server. With any other scheme a token may stand in the place of the host.
_WITH_HOST = {"http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "apprise"}
_HOST = re.compile(r"^(localhost|\[[0-9a-f:]+\]|[a-z0-9-]+(\.[a-z0-9-]+)+)$")

#: Seconds in which a mail server must answer, unless the address sets ``cto=``: other messages wait for it.
_MAIL_SECONDS = 5

_LOGGERS = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests")


@dataclass(frozen=True)
class AlertChannel:
    """One place that messages are sent to.

    Args:
        name: what people and the ops store call it; contains no secret.
        address: the Apprise address.
    """

    name: str
    address: SecretStr


@dataclass(frozen=True)
class Channels:
    """The configured channels.

    Args:
        alerts: every alert is sent to these.
        escalation: a P0 that nobody acknowledged is sent to these; by default the same as ``alerts``.
    """

    alerts: tuple[AlertChannel, ...]
    escalation: tuple[AlertChannel, ...]

    @classmethod
    def of(cls, settings: Settings) -> Channels:
        """The channels of the settings; an address in both settings is one channel."""
        both = list(dict.fromkeys([*settings.impulsum_alert_channels, *settings.impulsum_escalation_channels]))
        named = dict(zip(both, _channels(both), strict=True))
        alerts = tuple(named[address] for address in dict.fromkeys(settings.impulsum_alert_channels))
        escalation = tuple(named[address] for address in dict.fromkeys(settings.impulsum_escalation_channels))
        return cls(alerts, escalation or alerts)

    @property
    def every(self) -> dict[str, AlertChannel]:
        """All channels, by name."""
        return {channel.name: channel for channel in (*self.alerts, *self.escalation)}


class Sender:
    """Sends messages to one channel. Creating one opens no connection.

    Raises:
        ImpulsumError: of category configuration, when Apprise does not understand the address, or it names several
            recipients.
    """

    def __init__(self, channel: AlertChannel) -> None:
        from apprise import Apprise, AppriseAsset

        self._channel = channel
        with _captured_log():
            plugin = Apprise.instantiate(channel.address.get_secret_value(), asset=AppriseAsset(app_id="Impulsum"))
        if plugin is None:
            raise ImpulsumError(
                Category.CONFIGURATION,
                "Apprise does not know this kind of address, or a part of the address is missing",
                where=channel.name,
                safe="The message is stored, and sent again later.",
                next_step="correct IMPULSUM_ALERT_CHANNELS or IMPULSUM_ESCALATION_CHANNELS, then run "
                "`impulsum alerts test`.",
            )
        if len(plugin) > 1 or getattr(plugin, "cc", None) or getattr(plugin, "bcc", None):
            # If one recipient refused, each retry would go to all of them, for days.
            raise ImpulsumError(
                Category.CONFIGURATION,
                "The address names several recipients",
                where=channel.name,
                safe="The message is stored, and sent again later.",
                next_step="give each recipient an address of its own, or write to a mailing list.",
            )
        self._plugin: NotifyBase = plugin

    def send(self, message: Message) -> None:
        """Send the message once; returns when the service has accepted it.

        Raises:
            ImpulsumError: of category network, when the service did not accept it or did not answer. The reason
                contains no part of the address.
        """
        from apprise.plugins.email import NotifyEmail

        with _captured_log() as reasons:
            try:
                if isinstance(self._plugin, NotifyEmail):
                    accepted = _send_mail(self._plugin, message)
                else:
                    accepted = _send_other(self._plugin, message)
            except Exception as error:  # noqa: BLE001 - a plug-in for any of a hundred services
                reasons.append(f"{type(error).__name__}: {error}")
                accepted = False
        if not accepted:
            reason = _without_secrets(" ".join(reasons) or "no reason given", self._channel.address)
            raise ImpulsumError(
                Category.NETWORK,
                f"The channel did not accept the message: {reason}",
                where=self._channel.name,
                safe="The message is stored, and sent again later.",
                next_step="if this continues, check that the service is up and the address is right: "
                "`impulsum alerts test`.",
            )


def _send_other(plugin: NotifyBase, message: Message) -> bool:
    from apprise import NotifyFormat, NotifyType

    # A plug-in says so when it takes additional headers or fields of the document.
    if "headers" in plugin.template_kwargs:
        cast(Any, plugin).headers["Idempotency-Key"] = message.message_id
    if "payload" in plugin.template_kwargs:
        cast(Any, plugin).payload_extras["message_id"] = message.message_id
    kind = {"P0": NotifyType.FAILURE, "P1": NotifyType.WARNING}.get(message.priority, NotifyType.INFO)
    return plugin.notify(
        body=message.body,
        title=message.title,
        notify_type=NotifyType.SUCCESS if message.is_resolved else kind,
        body_format=NotifyFormat.TEXT,
    )


def _send_mail(plugin: Any, message: Message) -> bool:
    """Send a mail as Apprise does, but with our Message-ID: Apprise always makes a new one.

    Passing our id as a header would only add a second one. Apprise still makes the mails, the connection and the login.
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


def _channels(addresses: Sequence[SecretStr]) -> Iterator[AlertChannel]:
    seen: dict[str, int] = {}
    for address in addresses:
        name = _name(address.get_secret_value())
        seen[name] = seen.get(name, 0) + 1
        yield AlertChannel(name if seen[name] == 1 else f"{name} #{seen[name]}", address)


def _name(address: str) -> str:
    """The part of an address that is no secret: its scheme, and its host if it has one."""
    scheme, _, rest = address.partition("://")
    scheme = scheme.lower()
    host = re.sub(r":\d+$", "", re.split(r"[/?#]", rest)[0].rpartition("@")[2]).lower()
    # If a password contains an unescaped / or #, the user name stands here: it is no host, so it is not shown.
    return f"{scheme}://{host}" if scheme in _WITH_HOST and _HOST.match(host) else scheme


def _without_secrets(reason: str, address: SecretStr) -> str:
    """The reason with every part of the address replaced, except its host; at most 500 characters."""
    whole = address.get_secret_value()
    _, _, rest = whole.partition("://")
    host = _name(whole).partition("://")[2]
    parts = {part for piece in (rest, unquote(rest)) for part in [piece, *re.split(r"[/?#@:&=,]", piece)]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= 3 and part.lower() != host:
            reason = reason.replace(part, "…")
    return " ".join(reason.split())[:500]


class _LogCapture(logging.Filter):
    """Captures the log records of one thread; those of other threads pass."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []
        self._thread = threading.get_ident()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread:
            return True
        text = record.getMessage()
        if record.name == "apprise" and (record.levelno >= logging.WARNING or text.startswith("Socket Exception")):
            self.reasons.append(text)
        return False


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """Collect Apprise's error messages in a list instead of the log."""
    capture = _LogCapture()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(capture)
    # At any level of the root logger: the reason is needed, and the other messages may contain the address.
    loggers[0].setLevel(logging.DEBUG)
    try:
        yield capture.reasons
    finally:
        for logger in loggers:
            logger.removeFilter(capture)
