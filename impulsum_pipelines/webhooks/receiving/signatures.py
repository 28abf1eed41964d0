"""Signatures of webhook deliveries: an HMAC over the received bytes.

A :class:`Scheme` says what a vendor signs and in which header the signature is; ``vendors.py`` has one per vendor.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from impulsum_pipelines.errors import Category, ImpulsumError

#: Hash methods by signature prefix. Any other prefix, such as ``v0``, means sha256.
_METHODS: Mapping[str, Callable[..., hashlib._Hash]] = {
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
_SIGNATURE = re.compile(r"(?:([a-z0-9]+)=)?((?:[0-9a-fA-F]{2})+)")
#: 13 digits are milliseconds; 10 are seconds until the year 2286.
_EPOCH = re.compile(r"[0-9]{10}(?:[0-9]{3})?")


@dataclass(frozen=True)
class Stamp:
    """The signed time that a vendor sends with a delivery.

    Args:
        header: lower-case name of its header.
        window: the largest allowed difference to our clock; older deliveries are replays.
        text: formats a time as the vendor does.
    """

    header: str
    window: timedelta
    text: Callable[[datetime], str]


def whole_body(body: bytes, _stamp: bytes) -> bytes:
    """The bytes that most vendors sign: only the body."""
    return body


@dataclass(frozen=True)
class Scheme:
    """How one vendor signs.

    Args:
        header: lower-case name of the signature's header.
        prefixes: the allowed prefixes before ``=`` and the hexadecimal digits; an empty one means digits without a
            prefix. :meth:`sign` writes the first.
        stamp: the signed time, for vendors that send one.
        signed: returns the signed bytes for a body and the text of the stamp.
    """

    header: str
    prefixes: tuple[str, ...] = ("sha256",)
    stamp: Stamp | None = None
    signed: Callable[[bytes, bytes], bytes] = whole_body

    def verify(self, secrets: Iterable[str], headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        """Check that one of the secrets signed this body and, if the vendor sends a time, that it is recent.

        Args:
            secrets: several while a secret is being replaced, or when each subscription has its own.
            headers: by lower-case name.

        Raises:
            ImpulsumError: of category *authentication*, saying whether the signature is missing, wrong, or too old.
        """
        given = _SIGNATURE.fullmatch(headers.get(self.header, "").strip())
        prefix = (given[1] or "") if given else ""
        if not given or prefix not in self.prefixes:
            raise _refused(f"The signature in {self.header} is missing or malformed")
        text = headers.get(self.stamp.header, "").strip() if self.stamp else ""
        digest, message = bytes.fromhex(given[2]), self.signed(body, text.encode())
        if not any(hmac.compare_digest(_hmac(prefix, secret, message), digest) for secret in secrets):
            raise _refused(f"The signature in {self.header} is wrong")
        if self.stamp and not _is_near(text, now, self.stamp.window):
            raise _refused(f"The time in {self.stamp.header} is more than {self.stamp.window} from now")

    def sign(self, secret: str, body: bytes, now: datetime) -> dict[str, str]:
        """The headers that the vendor would send with this body, by lower-case name."""
        text = self.stamp.text(now) if self.stamp else ""
        prefix = self.prefixes[0]
        digits = _hmac(prefix, secret, self.signed(body, text.encode())).hex()
        return {self.header: f"{prefix}={digits}" if prefix else digits} | (
            {self.stamp.header: text} if self.stamp else {}
        )


def _hmac(prefix: str, secret: str, message: bytes) -> bytes:
    return hmac.digest(secret.encode(), message, _METHODS.get(prefix, hashlib.sha256))


def _is_near(text: str, now: datetime, window: timedelta) -> bool:
    try:
        if _EPOCH.fullmatch(text):
            moment = datetime.fromtimestamp(int(text) / (1000 if len(text) == 13 else 1), UTC)
        else:
            moment = datetime.fromisoformat(text)
        return moment.tzinfo is not None and abs(now - moment) <= window
    except (ValueError, OverflowError):
        return False


def _refused(what: str) -> ImpulsumError:
    return ImpulsumError(
        Category.AUTHENTICATION,
        what,
        safe="Nothing was stored.",
        next_step="compare the secret at the vendor with the setting, and check the clock of this machine.",
    )
