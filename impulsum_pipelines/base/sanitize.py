"""Texts without secrets: what is kept or shown of a message that somebody else wrote.

Our own messages hold no secret by their making, see :mod:`impulsum_pipelines.errors`. Those of libraries, databases
and vendors may repeat an address with its password, a header, or a token that was sent to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pydantic import SecretStr

from impulsum_pipelines.settings import Settings

#: Characters of a message that are kept.
LONGEST = 2000

#: What stands where a secret stood.
HIDDEN = "***"

#: A configured secret that is shorter would strike out ordinary words.
_SHORTEST_SECRET = 6

_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|signature|credentials?|"
    r"api[_-]?key|access[_-]?key|private[_-]?key)"
)

_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # Of an address: user and password, or a token in the user's place.
    (re.compile(r"(?<=://)[^\s/?#'\"<>]{0,300}(?:/[^\s?#'\"<>@]{0,300})?@"), f"{HIDDEN}@"),
    # Of an incoming webhook the path is the secret.
    (re.compile(r"(?i)\b(hooks\.[\w.-]+/)[\w/-]+"), rf"\1{HIDDEN}"),
    # A header, to the end of its line.
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)[^\r\n]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[\d=._~+/:@-])[^\s'\",;]{6,}"), rf"\1 {HIDDEN}"),
    # A name that says so, with its value: password=…, "api_key": "…", X-Api-Key: …, DSN words.
    (
        re.compile(rf"(?i)(?<![\w-])([\w-]*{_WORD})(['\"]?\s*[=:]\s*)(?:'[^']*'?|\"[^\"]*\"?|[^\s&,;'\"}})]+)"),
        rf"\1\2{HIDDEN}",
    ),
    # Tokens that are known by their shape, the vendors' and JSON web tokens.
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w.-]+"), HIDDEN),
    (re.compile(r"\b(?:gh[a-z]_|[a-z]+_pat_|ntn_|secret_|ATATT|ATCTT)[\w=-]{10,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*"), HIDDEN),
)  # fmt: skip


#: Of JSON: a field with a text or a number. Quotes within a text are escaped there, so that none can pass for a field.
_FIELD = re.compile(r'("([\w-]++)"\s*+:\s*+)(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d[\d.eE+-]*+)', re.DOTALL)
#: Names of fields that hold a secret, or, as response_url does, an address that is one for a while.
_SECRET_NAME = re.compile(rf"(?i)[\w-]*{_WORD}|response_url")


def without_secrets(document: str) -> str:
    """A JSON document with its secrets struck out; all else of it stays as it is written.

    Secrets are known by the names of their fields, at any depth. It strikes out too much rather than too little.
    """
    return _FIELD.sub(lambda field: f'{field[1]}"{HIDDEN}"' if _is_secret(field[2]) else field[0], document)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.fullmatch(name))


def sanitized(text: str, settings: Settings | None = None, *, longest: int = LONGEST) -> str:
    """The text without tokens, passwords in addresses and headers, cut short, and fit for any database.

    It strikes out too much rather than too little.

    Args:
        text: what somebody else wrote.
        settings: whose configured secrets are struck out wherever they stand, whatever their shape.
        longest: how many characters are kept.
    """
    text = text[: 4 * longest].encode("utf-8", "replace").decode().replace("\x00", "")
    for secret in _secrets(settings):
        text = text.replace(secret, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _secrets(settings: Settings | None) -> Iterator[str]:
    """The configured secrets, the longest first: one may be the beginning of another."""
    values = [] if settings is None else [settings.value(name) for name in settings.variables()]
    listed = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    whole = {part.get_secret_value() for part in listed if isinstance(part, SecretStr)}
    # Of several in one setting each may be told alone.
    plain = whole | {part.strip() for secret in whole for part in secret.split(",")}
    yield from sorted((secret for secret in plain if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
