"""Finding phrases in what people write: whole words, the writer's own, and not denied.

Code and quotations are not the writer's own words, and are ignored. A phrase that is denied in the same part of a
sentence does not count: "no outage", "is not blocked any more", "if production is down", "outage resolved". This does
not understand language; it prevents the most obvious false alarms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

#: The most words between a denial and what it denies.
NEAR = 4

_NOT_OWN_WORDS = re.compile(
    r"```.*?(?:```|\Z)"  # code, quotations and previews, as chats, trackers and Markdown write them
    r"|`[^`\n]*`"
    r"|\{(code|noformat|quote)\b[^}]*\}.*?(?:\{\1\}|\Z)"
    r"|^[ \t]*(?:>|&gt;|bq\. ).*?$"
    r"|^[ \t]*On .{1,120} wrote:\s*$.*"
    r"|https?://\S+",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
#: Where another part of a sentence begins: a denial only counts in its own part.
_APART = re.compile(
    r"[.,;:!?()\[\]\n\u2013\u2014]|\s-\s|\b(?:but|and|because|since|as|so|that|then|while|why|yet)\b", re.IGNORECASE
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not(?! only| just)|no(?! one| doubt)|never|none|without|if|unless|whenever|in case of|avoid(?:s|ed|ing)?|"
    r"prevent(?:s|ed|ing)?|resolve[ds]?|fix(?:e[ds])?|close[ds]?)\b|n['\u2019]t\b)"
    rf"(?:\s+\S+){{0,{NEAR}}}\s*$",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"^(?:\s+(?:is|was|are|were|has|have|had|been|got|it|now|all|already|finally|completely))*\s+"
    r"(?:any ?more|no longer|no more|resolved|fixed|over|ended|mitigated|averted|restored|(?:a )?false alarm|drill)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=8)
def own_words(text: str) -> str:
    """The text without code, quotations and addresses."""
    return _NOT_OWN_WORDS.sub(" ", text)


def find_mention(text: str, phrases: Iterable[str]) -> str | None:
    """The first of the phrases, each of one or more words, that the text mentions; None when there is none."""
    own = own_words(text)
    for match in _any_of(tuple(phrases)).finditer(own):
        before = _APART.split(own[max(0, match.start() - 100) : match.start()])[-1]
        after = _APART.split(own[match.end() : match.end() + 100])[0]
        if not _DENIED_BEFORE.search(before) and not _DENIED_AFTER.search(after):
            return " ".join(match[0].split()).lower()
    return None


@lru_cache(maxsize=256)
def _any_of(phrases: tuple[str, ...]) -> re.Pattern[str]:
    # The longest first, so that the longest phrase matches.
    longest_first = sorted({phrase.strip() for phrase in phrases}, key=len, reverse=True)
    words = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in longest_first)
    return re.compile(rf"(?<![\w-])(?:{words})(?!\w|-\w)", re.IGNORECASE)
