"""A team's history in Slack: channels for its projects, and messages and threads about its tickets.

Every featured ticket has a thread that names its key, with a reply that came days later and one that was also sent
to the channel. A first pull can read all threads within one minute of Slack's limits.
"""

from __future__ import annotations

from random import Random

from impulsum_pipelines.sandbox.slack.workspace import BOT_USER, SLACKBOT, SlackChannel, SlackUser, Workspace
from impulsum_pipelines.sandbox.team import Team, Ticket

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: The most threads of a generated workspace. Slack allows 50 calls of conversations.replies per minute.
MOST_THREADS = 16

_ANSWERS = (
    "Looks good to me.",
    "Let me check that against the design.",
    "I can reproduce it on staging.",
    "Fixed, please try again.",
    "Who can review this today?",
    "That is what the customer asked for.",
)
_CHATTER = (
    "Good morning! Stand-up in five minutes.",
    "The build is green again.",
    "Lunch at half past twelve?",
    "I am off tomorrow.",
    "Deploying to staging now.",
)


def build_world(team: Team) -> Workspace:
    """The workspace of a team, up to now; the same for the same seed."""
    return _SlackHistory(team).play()


class _SlackHistory:
    def __init__(self, team: Team) -> None:
        self.team = team
        self.rng: Random = team.rng("slack")
        self.workspace = Workspace(team.clock)
        # The clock runs while the workspace waits for its first request: cut to the hour, its history does not change.
        self.now = team.clock.now() // HOUR * HOUR - MINUTE
        oldest = min((ticket.created for ticket in team.tickets), default=self.now)
        self.start = min(oldest, self.now - 40 * DAY) - DAY
        self.threads = 0

    def play(self) -> Workspace:
        people = self._people()
        channels = self._channels(people)
        featured = {ticket.key for ticket in self.team.featured}
        for ticket in self.team.tickets:
            self._ticket(channels[ticket.project], ticket, people, featured=ticket.key in featured)
        for name in ("general", "random", "releases", "support", "old-launch"):
            self._chatter(channels[name], people)
        self._talk(channels["incidents"], people)
        self._private_words(channels, people)
        channels["old-launch"].is_archived = True
        return self.workspace

    def _people(self) -> list[SlackUser]:
        workspace = self.workspace
        workspace.users[SLACKBOT] = SlackUser(SLACKBOT, "slackbot", "Slackbot", None, self.start)
        workspace.users[BOT_USER] = SlackUser(BOT_USER, "impulsum", "Impulsum", None, self.start, is_bot=True)
        people = [workspace.add_user(p.login, p.name, p.email, self.start) for p in self.team.people]
        workspace.add_user("former-colleague", "Former Colleague", None, self.start, deleted=True)
        workspace.add_user("guest", "Guest", "guest@example.com", self.start, is_restricted=True)
        return people

    def _channels(self, people: list[SlackUser]) -> dict[str, SlackChannel]:
        ids, add, start = [user.id for user in people], self.workspace.add_channel, self.start
        first, all_and_bot = ids[0], [*ids, BOT_USER]
        channels = {name: add(name, "public_channel", start, first, all_and_bot) for name in ("general", "random")}
        for project in dict.fromkeys(ticket.project for ticket in self.team.tickets):
            name = f"team-{project.lower()}"
            channels[project] = add(name, "public_channel", start, first, all_and_bot)
        channels["releases"] = add("releases", "public_channel", start, first, [*ids[:4], BOT_USER])
        channels["support"] = add("support", "public_channel", start, first, [*ids[:6], BOT_USER])
        channels["incidents"] = add("incidents", "private_channel", start, first, [*ids[:5], BOT_USER])
        channels["old-launch"] = add("old-launch", "public_channel", start, first, [*ids[:3], BOT_USER])
        channels["design"] = add("design", "public_channel", start, first, ids[:3])
        channels["leads"] = add("leads", "private_channel", start, first, ids[:2])
        channels["im"] = add(first, "im", start, first, [first, BOT_USER])
        return channels

    def _post(self, channel: SlackChannel, user: str, text: str, at: int, **more: object) -> str:
        ts: str = self.workspace.post(channel, user, text, min(at, self.now), **more)["ts"]  # type: ignore[arg-type]
        return ts

    def _ticket(self, channel: SlackChannel, ticket: Ticket, people: list[SlackUser], *, featured: bool) -> None:
        at, what = ticket.started if ticket.resolved else ticket.created + HOUR, f"{ticket.key} ({ticket.summary})"
        owner = people[ticket.assignee.number].id
        self._post(channel, BOT_USER, f"{ticket.assignee.name} started {what}", at, subtype="bot_message")
        if featured or (self.threads < MOST_THREADS - len(self.team.featured) and self.rng.random() < 0.1):
            root = self._post(channel, owner, f"A question about {what}", at + HOUR)
            self._replies(channel, root, ticket, people, at + HOUR)
        if ticket.resolved:
            done = self._post(channel, owner, f"{ticket.key} is done.", ticket.resolved + MINUTE)
            if self.rng.random() < 0.3:
                self.workspace.react(channel, done, "tada", self.rng.choice(people).id)
            if self.rng.random() < 0.05:
                self.workspace.edit(channel, done, f"{ticket.key} is done and deployed.", ticket.resolved + HOUR)

    def _replies(self, channel: SlackChannel, root: str, ticket: Ticket, people: list[SlackUser], at: int) -> None:
        self.threads += 1
        for _ in range(self.rng.randrange(2, 6)):
            at += self.rng.randrange(MINUTE, 5 * HOUR)
            self._post(channel, self.rng.choice(people).id, self.rng.choice(_ANSWERS), at, thread=root)
        decided = f"Decided for {ticket.key}: we ship it behind a flag."
        self._post(channel, people[0].id, decided, at + HOUR, thread=root, subtype="thread_broadcast")
        late = at + self.rng.randrange(2 * DAY, 12 * DAY)
        self._post(channel, self.rng.choice(people).id, f"{ticket.key} came up again.", late, thread=root)

    def _chatter(self, channel: SlackChannel, people: list[SlackUser]) -> None:
        at = max(self.start, self.now - 120 * DAY)
        while (at := at + self.rng.randrange(4 * HOUR, 2 * DAY)) < self.now:
            self._post(channel, self.rng.choice(people).id, self.rng.choice(_CHATTER), at)

    def _talk(self, channel: SlackChannel, people: list[SlackUser]) -> None:
        """An incident whose first message was deleted; its replies are still there."""
        at = self.now - 9 * DAY
        root = self._post(channel, people[0].id, "The queue is full.", at)
        for minutes in (3, 8, 40):
            answer = self.rng.choice(_ANSWERS)
            self._post(channel, self.rng.choice(people).id, answer, at + minutes * MINUTE, thread=root)
        self.threads += 1
        self.workspace.delete(channel, root)

    def _private_words(self, channels: dict[str, SlackChannel], people: list[SlackUser]) -> None:
        """Messages in channels that the bot is not in and must not see, and a direct message to the bot."""
        for name in ("design", "leads"):
            self._post(channels[name], people[0].id, "Between us.", self.now - DAY)
        self._post(channels["im"], people[0].id, "How many points did we finish?", self.now - 2 * DAY)
