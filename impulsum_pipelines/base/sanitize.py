"""Removes secrets from messages that others wrote, before they are stored or shown.

Our own messages never contain a secret, see :mod:`impulsum_pipelines.errors`. Messages of libraries, databases and
vendors may repeat an address with its password, a header, or a token that we sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pydantic import SecretStr

from impulsum_pipelines.settings import Settings

#: Longest message that is kept, in characters.
LONGEST = 2000

#: Replaces a secret.
HIDDEN = "***"

#: Shorter configured secrets are ignored: they would remove ordinary words.
_SHORTEST_SECRET = 6

_WORD = (
    r"(?:pass(?:word|wd|phrase)?|pwd|secret|token|signature|credentials?|"
    r"api[_-]?key|access[_-]?key|private[_-]?key)"
)

_PATTERNS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    # In an address: user and password, or a token in place of the user.
    (re.compile(r"(?<=://)[^\s/?#'\"<>]{0,300}(?:/[^\s?#'\"<>@]{0,300})?@"), f"{HIDDEN}@"),
    # In the address of an incoming webhook the path is the secret.
    (re.compile(r"(?i)\b(hooks\.[\w.-]+/)[\w/-]+"), rf"\1{HIDDEN}"),
    # A header, up to the end of its line.
    (re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)[^\r\n]+"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[\d=._~+/:@-])[^\s'\",;]{6,}"), rf"\1 {HIDDEN}"),
    # A name of a secret, with its value: password=…, "api_key": "…", X-Api-Key: …, words of a DSN.
    (
        re.compile(rf"(?i)(?<![\w-])([\w-]*{_WORD})(['\"]?\s*[=:]\s*)(?:'[^']*'?|\"[^\"]*\"?|[^\s&,;'\"}})]+)"),
        rf"\1\2{HIDDEN}",
    ),
    # Tokens with a known shape: those of the vendors, and JSON web tokens.
    (re.compile(r"\bx(?:ox[a-z]|app)-[\w.-]+"), HIDDEN),
    (re.compile(r"\b(?:gh[a-z]_|[a-z]+_pat_|ntn_|secret_|ATATT|ATCTT)[\w=-]{10,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*"), HIDDEN),
)  # fmt: skip


#: A JSON field with a text or a number. Quotes within a text are escaped, so no text can be taken for a field.
_FIELD = re.compile(r'("([\w-]++)"\s*+:\s*+)(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?\d[\d.eE+-]*+)', re.DOTALL)
#: Names of fields with a secret, or, as response_url, with an address that works as one for a while.
_SECRET_NAME = re.compile(rf"(?i)[\w-]*{_WORD}|response_url")


def without_secrets(document: str) -> str:
    """A JSON document with its secrets replaced; the rest stays exactly as written.

    Secrets are recognised by the names of their fields, at any depth. In doubt, a value is replaced.
    """
    return _FIELD.sub(lambda field: f'{field[1]}"{HIDDEN}"' if _is_secret(field[2]) else field[0], document)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.fullmatch(name))


def sanitized(text: str, settings: Settings | None = None, *, longest: int = LONGEST) -> str:
    """The text without tokens, passwords in addresses, and headers; shortened, and storable in any database.

    In doubt, a word is replaced.

    Args:
        text: a message of a library, a database or a vendor.
        settings: the secrets in them are replaced everywhere in the text, also those of an unknown shape.
        longest: longest result, in characters.
    """
    text = text[: 4 * longest].encode("utf-8", "replace").decode().replace("\x00", "")
    for secret in _secrets(settings):
        text = text.replace(secret, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _secrets(settings: Settings | None) -> Iterator[str]:
    """The configured secrets, longest first: one may be the beginning of another."""
    values = [] if settings is None else [settings.value(name) for name in settings.variables()]
    listed = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    complete = {part.get_secret_value() for part in listed if isinstance(part, SecretStr)}
    # Each of several secrets in one setting may appear alone.
    plain = complete | {part.strip() for secret in complete for part in secret.split(",")}
    yield from sorted((secret for secret in plain if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True)
