"""The raw tables of Slack: grain, columns and meaning. Ids are text everywhere, times are UTC."""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Scope, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("SLACK_BOT_TOKEN",)

#: The scopes in which people look for messages: channels.
SCOPE = Scope("channels", "name", "channel_id")

MESSAGES = Table(
    "messages",
    "One row per message, reply or notice in a conversation that the bot is a member of; the id is channel:ts.",
    (
        Column("channel_id", "text", "Conversation that it was written in."),
        Column("ts", "text", "Slack's id of it within the conversation: the second and microsecond it was posted."),
        Column("thread_ts", "text", "ts of the root of its thread, its own for a root; null outside of threads."),
        Column("is_reply", "bool", "True for a reply in a thread, also sent to the channel or not."),
        Column("user_id", "text", "Account that wrote it; null for some integrations."),
        Column("bot_id", "text", "Integration that wrote it; null for people."),
        Column(
            "subtype",
            "text",
            "What kind of message it is, such as channel_join, bot_message, thread_broadcast (a reply that was also "
            "sent to the channel) or tombstone (a deleted root whose replies are still there); null for a plain one.",
        ),
        Column("text", "text", "What it says now, in Slack's own markup."),
        Column("channel_type", "text", "public_channel, private_channel, mpim or im, when it was last read."),
        Column("is_private", "bool", "True unless everybody in the workspace may read it."),
        Column("reply_count", "int", "Replies in the thread of a root, by Slack's count; null without any."),
        Column("latest_reply", "text", "ts of the newest reply of a root; null without any."),
        Column("reaction_count", "int", "Reactions of all kinds."),
        Column("file_count", "int", "Files that are attached."),
        Column("posted_at", "timestamp", "When it was posted; the cursor of the pull."),
        Column("edited_at", "timestamp", "When its text was last edited; null if it never was."),
    ),
    partitioned=True,
)

CHANNELS = Table(
    "channels",
    "One row per conversation that the bot can see: public channels, and private ones and direct messages with it.",
    (
        Column("name", "text", "Name at the last read; null for a direct message."),
        Column("type", "text", "public_channel, private_channel, mpim (a group's direct messages) or im."),
        Column("is_private", "bool", "True unless everybody in the workspace may read it."),
        Column("is_archived", "bool", "True when it is archived: nothing is written there any more."),
        Column("is_member", "bool", "True when the bot is in it: only then are its messages and members read."),
        Column("is_general", "bool", "True for the channel that everybody is in."),
        Column("is_shared", "bool", "True when it is shared with another workspace or organisation."),
        Column("num_members", "int", "Members by Slack's count; null for direct messages."),
        Column("creator_id", "text", "Account that created it."),
        Column("user_id", "text", "The other side of a direct message."),
        Column("topic", "text", "Topic."),
        Column("purpose", "text", "Purpose."),
        Column("created_at", "timestamp", "When it was created."),
    ),
)

MEMBERS = Table(
    "members",
    "One row per conversation and account in it, of conversations that the bot is in; the id is channel:user.",
    (
        Column("channel_id", "text", "The conversation."),
        Column("user_id", "text", "The account."),
    ),
)

USERS = Table(
    "users",
    "One row per account of the workspace, people and bots, deactivated ones included.",
    (
        Column("name", "text", "Handle."),
        Column("real_name", "text", "Full name."),
        Column("display_name", "text", "Name that is shown."),
        Column("email", "text", "E-mail address, where the token may see it (users:read.email)."),
        Column("title", "text", "Title in the profile."),
        Column("is_active", "bool", "False for a deactivated account."),
        Column("is_bot", "bool", "True for an integration, Slackbot included."),
        Column("is_guest", "bool", "True for a guest, who sees some channels only."),
        Column("is_admin", "bool", "True for an administrator of the workspace."),
        Column("time_zone", "text", "Zone of the profile."),
        Column("updated_at", "timestamp", "When the profile last changed."),
    ),
)

TABLES = (MESSAGES, CHANNELS, MEMBERS, USERS)
