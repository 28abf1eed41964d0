"""Titles and comments that read like those of real work.

A title takes two draws of a history's random generator, of one in eleven phrases and one in thirteen things. A list of
another length would change every later event of the same seed.
"""

from __future__ import annotations

from random import Random

#: What the teams build, by project: things that users see as a list, so that every phrase fits every thing.
_THINGS = {
    "ATLAS": (
        "audit log", "list of API keys", "billing contacts", "change history", "import queue", "invoice list",
        "password rules", "saved searches", "subscription plans", "team directory", "usage report", "user roles",
        "webhook deliveries",
    ),
    "BEAM": (
        "address book", "chat inbox", "delivery route", "driver schedule", "expense receipts", "favourite stops",
        "notification settings", "offline queue", "order list", "photo uploads", "scan results", "trip history",
        "vehicle list",
    ),
    "CARGO": (
        "carrier rates", "container tracking", "customs forms", "damage reports", "delivery slots",
        "freight invoices", "gate passes", "loading plan", "pallet labels", "pickup calendar", "returns queue",
        "shipment list", "stock counts",
    ),
}  # fmt: skip
_PHRASES = {
    "Epic": (
        "Make the {thing} self-service",
        "Bring the {thing} to all regions",
        "Modernize the {thing}",
        "Open the {thing} to partners",
        "Make the {thing} work at ten times the volume",
        "Redesign the {thing}",
        "Make the {thing} accessible",
        "Pass the audit of the {thing}",
        "Make the {thing} reliable",
        "Halve the support requests about the {thing}",
        "Launch the {thing} for large customers",
    ),
    "Story": (
        "Filter the {thing} by date and owner",
        "Export the {thing} as CSV",
        "Restrict the {thing} to administrators",
        "Search in the {thing}",
        "Notify owners of changes to the {thing}",
        "Undo the last change to the {thing}",
        "Sort the {thing} by last change",
        "Translate the {thing} into German and French",
        "Use the {thing} with the keyboard only",
        "Share a link to the {thing}",
        "Edit several entries of the {thing} at once",
    ),
    "Task": (
        "Measure the load time of the {thing}",
        "Add an index for the {thing}",
        "Write a runbook for the {thing}",
        "Move the {thing} to the new API",
        "Remove the old code of the {thing}",
        "Cover the {thing} with integration tests",
        "Add metrics and alerts for the {thing}",
        "Document the API of the {thing}",
        "Remove the feature flags of the {thing}",
        "Upgrade the libraries behind the {thing}",
        "Delete old entries of the {thing}",
    ),
    "Bug": (
        "Wrong time zone in the {thing}",
        "Blank page after opening the {thing} twice",
        "Timeout in the {thing} with more than 1,000 entries",
        "Duplicate rows in the {thing} after a retry",
        "Filter of the {thing} is lost after a reload",
        "Error 500 in the {thing} for accounts without a name",
        "Broken umlauts in the export of the {thing}",
        "Old values in the {thing} after an edit",
        "Guests cannot open the {thing}",
        "Layout of the {thing} breaks on small screens",
        "Deleted entries come back in the {thing}",
    ),
    "Sub-task": (
        "Write tests for the {thing}",
        "Review the design of the {thing}",
        "Update the help page about the {thing}",
        "Migrate the data of the {thing}",
        "Release the {thing} behind a flag",
        "Prepare the support team for the {thing}",
        "Add monitoring to the {thing}",
        "Translate the texts of the {thing}",
        "Try the {thing} on staging",
        "Ask a pilot customer about the {thing}",
        "Clean up after the release of the {thing}",
    ),
}
_COMMENTS = (
    "I can reproduce this on staging.",
    "Two customers asked for this again this week.",
    "The cause is a missing index; I have a fix locally.",
    "Blocked until the design is decided. I asked in the channel.",
    "Works for me after the last release. Can somebody confirm?",
    "I split off the second half: it is bigger than we thought.",
    "Tested with the data of the pilot customer, looks good.",
    "Please check the edge cases in the description before the review.",
)


class Words:
    """The texts of one team, which repeats no title before all are used.

    Args:
        rng: chooses the titles.
        project: key of the team's project.
    """

    def __init__(self, rng: Random, project: str) -> None:
        self._rng = rng
        self._things = _THINGS[project]
        self._taken: set[str] = set()

    def title(self, kind: str) -> str:
        """A title for an issue of this type."""
        phrases = _PHRASES[kind]
        phrase, thing = self._rng.choice(range(len(phrases))), self._rng.choice(range(len(self._things)))
        first = phrase * len(self._things) + thing
        for place in range(first, first + len(phrases) * len(self._things)):
            phrase, thing = divmod(place, len(self._things))
            title = phrases[phrase % len(phrases)].format(thing=self._things[thing])
            if title not in self._taken:
                break
        self._taken.add(title)
        return title


def comment_text(number: int) -> str:
    """The text of the comment with this number."""
    return _COMMENTS[number % len(_COMMENTS)]
