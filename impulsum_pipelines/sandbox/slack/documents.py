"""Channels and people as the Web API shows them."""

from __future__ import annotations

from hashlib import blake2b

from impulsum_pipelines.sandbox.slack.workspace import TEAM_ID, Document, SlackChannel, SlackUser


def channel_document(channel: SlackChannel) -> Document:
    """The document of a conversation in ``conversations.list``."""
    created = channel.created // 1000
    if channel.kind == "im":
        return {
            "id": channel.id,
            "created": created,
            "is_archived": channel.is_archived,
            "is_im": True,
            "is_org_shared": False,
            "context_team_id": TEAM_ID,
            "user": channel.name,
            "is_user_deleted": False,
            "priority": 0,
        }
    text = {"value": channel.topic, "creator": "", "last_set": 0}
    document: Document = {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "created": created,
        "creator": channel.creator,
        "is_archived": channel.is_archived,
        "is_channel": channel.kind in {"public_channel", "private_channel"},
        "is_group": False,
        "is_im": False,
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public_channel",
        "is_general": channel.name == "general",
        "is_shared": False,
        "is_ext_shared": False,
        "is_org_shared": False,
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "shared_team_ids": [TEAM_ID],
        "context_team_id": TEAM_ID,
        "unlinked": 0,
        "is_member": channel.has_bot,
        "topic": text,
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "previous_names": channel.previous_names,
        "num_members": len(channel.members),
    }
    return document


def user_document(user: SlackUser, *, with_email: bool) -> Document:
    """The document of an account in ``users.list``; the e-mail address needs the scope ``users:read.email``."""
    profile: Document = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "avatar_hash": blake2b(user.id.encode(), digest_size=6).hexdigest(),
        "title": "",
        "phone": "",
        "skype": "",
        "status_text": "",
        "status_emoji": "",
        "fields": {},
        "team": TEAM_ID,
    }
    if with_email and user.email:
        profile["email"] = user.email
    document: Document = {
        "id": user.id,
        "team_id": TEAM_ID,
        "name": user.name,
        "deleted": user.deleted,
        "profile": profile,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": user.updated // 1000,
    }
    if not user.deleted:  # a deactivated account shows less
        document |= {
            "real_name": user.real_name,
            "tz": "Europe/Berlin",
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": user.is_restricted,
            "is_ultra_restricted": False,
        }
    return document
