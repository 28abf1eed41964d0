"""Every setting: its name, type, default and meaning. Settings are read when they are needed, never at import.

A setting is an environment variable. Its name is that of the field in capitals: ``impulsum_home`` is ``IMPULSUM_HOME``,
and ``base_url`` of ``jira`` is ``JIRA_BASE_URL``. Nothing is required: a source without its token is off, and says so.
The command line also takes variables from a file ``.env``, see :func:`read_env_file`.
"""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from impulsum_pipelines.errors import Category, ImpulsumError

_NOTION_ID = re.compile(r"^[A-Za-z0-9:/._~%]*[0-9a-f]{32}$")
_HOURS = re.compile(r"^(\d{1,2})-(\d{1,2})$")
_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://\S+$")
_BETWEEN_ADDRESSES = re.compile(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


def _split_at_commas(value: object) -> object:
    """The parts of a text without spaces around them; any other value as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_at_commas)]


class SourceSettings(BaseModel):
    """The settings of one source: the field ``api_token`` of ``jira`` is the variable ``JIRA_API_TOKEN``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    webhook_secret: SecretStr | None = None

    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that a webhook delivery may be signed with: several while one is replaced; none when unset."""
        parts = self.webhook_secret.get_secret_value().split(",") if self.webhook_secret else ()
        return tuple(part.strip() for part in parts if part.strip())


class JiraSettings(SourceSettings):
    """Variables ``JIRA_…``."""

    base_url: str | None = Field(
        default=None,
        description="Address of the site, such as https://acme.atlassian.net.",
    )
    email: str | None = Field(default=None, description="E-mail address of the account that the API token belongs to.")
    api_token: SecretStr | None = Field(default=None, description="API token; without it Jira is off.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="Secret that Jira signs webhooks with; separate several by commas."
    )
    projects: CommaSeparated = Field(
        default=(), description="Comma-separated project keys; if empty, every project that the account can see."
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Most requests at the same time; Jira allows 100 per second.",
    )


class GitHubSettings(SourceSettings):
    """Variables ``GITHUB_…``."""

    api_url: str = Field(
        default="https://api.github.com",
        description="GitHub's API; for GitHub Enterprise Server https://host/api/v3.",
    )
    token: SecretStr | None = Field(default=None, description="Token; without it GitHub is off.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="Secret that GitHub signs webhooks with; separate several by commas."
    )
    repositories: CommaSeparated = Field(
        default=(),
        description="Comma-separated repositories (owner/name) or owners; if empty, GitHub is off.",
    )


class SlackSettings(SourceSettings):
    """Variables ``SLACK_…``."""

    api_url: str = Field(default="https://slack.com/api", description="Slack's Web API.")
    bot_token: SecretStr | None = Field(
        default=None, description="Bot token of an internal app; without it Slack is off."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Signing secret of the app, for webhooks; separate several by commas."
    )
    thread_days: int = Field(
        default=30, ge=1, description="How many days after a message its thread is checked for new replies."
    )


class FirefliesSettings(SourceSettings):
    """Variables ``FIREFLIES_…``."""

    api_url: str = Field(default="https://api.fireflies.ai/graphql", description="Fireflies' GraphQL endpoint.")
    api_key: SecretStr | None = Field(default=None, description="API key; without it Fireflies is off.")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secret that Fireflies signs webhooks with; separate several by commas.",
    )
    requests_a_day: int = Field(
        default=500, ge=1, description="Requests per day that the plan allows: Free 50, Pro 500."
    )


class NotionSettings(SourceSettings):
    """Variables ``NOTION_…``."""

    api_url: str = Field(default="https://api.notion.com/v1", description="Notion's API.")
    token: SecretStr | None = Field(
        default=None, description="Token of an internal integration; without it Notion is off."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Verification token of the webhook subscription; Notion sends it to the receiver, which keeps it "
        "for you; separate several by commas.",
    )
    restricted: CommaSeparated = Field(
        default=(),
        description="Comma-separated ids or addresses of private pages, databases or data sources; their text, and the "
        "text of everything below them, is published in the restricted tables only.",
    )

    @field_validator("restricted")
    @classmethod
    def _notion_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for named in value:
            if not _NOTION_ID.search(named.split("?")[0].replace("-", "")):
                raise ValueError(f"{named!r} does not end with the 32 hexadecimal digits of a Notion id")
        return value


class TempoSettings(SourceSettings):
    """Variables ``TEMPO_…``."""

    api_url: str = Field(
        default="https://api.tempo.io/4",
        description="Tempo's API; in other regions https://api.eu.tempo.io/4 or https://api.us.tempo.io/4.",
    )
    api_token: SecretStr | None = Field(
        default=None, description="Token of a user who may see all worklogs; without it Tempo is off."
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Secrets of the webhook subscriptions, separated by commas; Tempo makes one for each.",
    )


class Settings(BaseSettings):
    """The settings of one process, read from its environment when the object is made."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_ignore_empty=True, env_nested_delimiter="_", env_nested_max_split=1
    )

    impulsum_home: Path = Field(
        default=Path(".impulsum"), description="Folder of all data: raw files, warehouse, published file."
    )
    impulsum_start_date: date = Field(
        default=date(2010, 1, 1),
        description="First day (UTC) that is pulled, by the time at which a record changed at its source.",
    )
    impulsum_timezone: str = Field(
        default="UTC", description="IANA time zone of schedules and reports; stored times are always UTC."
    )
    impulsum_business_hours: str = Field(
        default="8-18", description="Hours of Monday to Friday, in IMPULSUM_TIMEZONE, during which sources are pulled."
    )
    impulsum_overlap_minutes: int = Field(
        default=10,
        ge=2,
        description="How many minutes before its watermark a live sync starts to read, so that nothing is missed.",
    )
    impulsum_reference_minutes: int = Field(
        default=60,
        ge=0,
        description="A live sync pulls rarely changing tables, such as users, again when they are older than this.",
    )
    impulsum_keep_versions: int = Field(
        default=5, ge=1, description="How many published versions are kept for `impulsum rollback`."
    )
    impulsum_lock_seconds: float = Field(
        default=300, gt=0, description="How many seconds to wait for another process to release a file."
    )

    impulsum_keep_days: int = Field(
        default=400,
        ge=1,
        description="Days to keep webhook events, the history of syncs, resolved alerts, and failed drop files; the "
        "default is a year and a month, to compare a month with the year before.",
    )
    impulsum_keep_run_days: int = Field(
        default=30,
        ge=1,
        description="Days to keep processed drop files, and Dagster's runs, logs, ticks and backfills.",
    )
    impulsum_ops_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy address of the ops store, such as postgresql+psycopg2://user:password@host/database; "
        "if empty, the file ops.sqlite in IMPULSUM_HOME.",
    )
    impulsum_alert_channels: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated Apprise addresses to which alerts are sent, such as slack://…, mailtos://… or "
        "jsons://…; if empty, alerts are only stored and listed.",
    )
    impulsum_escalation_channels: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Comma-separated Apprise addresses to which a P0 is sent when nobody acknowledges it; if empty, "
        "the alert channels.",
    )
    impulsum_escalation_minutes: int = Field(
        default=30, ge=1, description="Minutes until a P0 that nobody acknowledged is sent again."
    )
    impulsum_settle_minutes: int = Field(
        default=15, ge=0, description="Minutes that a problem must be over before people are notified that it is."
    )
    impulsum_waking_hours: str = Field(
        default="7-22", description="Hours of every day, in IMPULSUM_TIMEZONE, during which a P1 is sent at once."
    )
    impulsum_quiet_hours: str = Field(
        default="20-7,weekend",
        description="Hours of every day, or weekend, or both, in IMPULSUM_TIMEZONE, during which P2 and P3 wait for "
        "one digest at the end; none means never.",
    )
    impulsum_triage: Path | None = Field(
        default=None,
        description="File with the rules that decide how urgent an event is; if empty, triage.yaml in IMPULSUM_HOME, "
        "or else the rules of the package.",
    )
    impulsum_people: Path | None = Field(
        default=None,
        description="File that says which person an account belongs to; if empty, people.csv in IMPULSUM_HOME.",
    )

    jira: JiraSettings = JiraSettings()
    github: GitHubSettings = GitHubSettings()
    slack: SlackSettings = SlackSettings()
    fireflies: FirefliesSettings = FirefliesSettings()
    notion: NotionSettings = NotionSettings()
    tempo: TempoSettings = TempoSettings()

    @field_validator("impulsum_alert_channels", "impulsum_escalation_channels", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        if isinstance(value, str):  # an address may contain commas
            return tuple(part for part in _BETWEEN_ADDRESSES.split(value.strip(" ,")) if part)
        return value

    @field_validator("impulsum_alert_channels", "impulsum_escalation_channels")
    @classmethod
    def _addresses(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for position, address in enumerate(value, start=1):
            if not _ADDRESS.match(address.get_secret_value()):
                raise ValueError(f"entry {position} is not an Apprise address such as mailtos://user:password@host")
        return value

    @field_validator("impulsum_quiet_hours")
    @classmethod
    def _quiet_hours(cls, value: str) -> str:
        parts = [part.strip() for part in value.split(",")]
        hours = [part for part in parts if part not in {"weekend", "none"}]
        if len(hours) > 1 or ("none" in parts and len(parts) > 1) or not all(_is_span(part, 23) for part in hours):
            raise ValueError(f"{value!r} is not a range of hours such as 20-7, weekend, both, or none")
        return ",".join(parts)

    @field_validator("impulsum_waking_hours")
    @classmethod
    def _waking_hours(cls, value: str) -> str:
        if not _is_span(value.strip()):
            raise ValueError(f"{value!r} is not a range of hours such as 7-22")
        return value.strip()

    @field_validator("impulsum_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Berlin") from error
        return value

    @field_validator("impulsum_business_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        match = _HOURS.match(value.strip())
        if not match or not 0 <= int(match[1]) < int(match[2]) <= 24:
            raise ValueError(f"{value!r} is not a range of hours such as 8-18")
        return value.strip()

    @property
    def zone(self) -> ZoneInfo:
        """The zone that IMPULSUM_TIMEZONE names."""
        return ZoneInfo(self.impulsum_timezone)

    @property
    def business_hours(self) -> tuple[int, int]:
        """The first hour of the working day, and the hour at which it ends."""
        first, last = self.impulsum_business_hours.split("-")
        return int(first), int(last)

    @property
    def home(self) -> Path:
        """The state folder as an absolute path."""
        return self.impulsum_home.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment only, and ignore a variable that is just the name of a source, such as ``JIRA``."""
        environment = EnvSettingsSource(settings_cls)
        environment.env_vars = {name: value for name, value in environment.env_vars.items() if name not in _NESTED}
        return init_settings, environment

    @classmethod
    def variables(cls) -> dict[str, FieldInfo]:
        """Every setting by the name of its environment variable, in the order of declaration."""
        found: dict[str, FieldInfo] = {}
        for name, field in cls.model_fields.items():
            if name in _NESTED:
                # The order of the class itself: Pydantic puts the fields of its base class first.
                own = _NESTED[name].__annotations__
                found |= {f"{name}_{below}".upper(): _NESTED[name].model_fields[below] for below in own}
            else:
                found[name.upper()] = field
        return found

    def value(self, variable: str) -> Any:
        """The value of a setting by the name of its environment variable."""
        source, _, name = variable.lower().partition("_")
        return getattr(self.source(source), name) if source in _NESTED else getattr(self, variable.lower())

    def source(self, name: str) -> SourceSettings:
        """The settings of one source."""
        settings: SourceSettings = getattr(self, name)
        return settings


_NESTED = {
    name: type(field.default)
    for name, field in Settings.model_fields.items()
    if isinstance(field.default, SourceSettings)
}


def _is_span(text: str, longest: int = 24) -> bool:
    """Whether the text is a range of hours, without its last hour; 20-7 goes over midnight."""
    match = _HOURS.match(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 24 or int(match[1]) == int(match[2]):
        return False
    return ((int(match[2]) - int(match[1])) % 24 or 24) <= longest


#: The file that each variable came from, of those that a file has set.
_FROM_FILE: dict[str, Path] = {}


def read_env_file(folder: Path) -> None:
    """Set each variable of the file ``.env`` in a folder that the environment does not have; no file is fine.

    All variables count, also those that other programs read: dbt's, Dagster's, PostgreSQL's. With a true
    ``PYTHON_DOTENV_DISABLED`` in the environment nothing is read.

    Raises:
        ImpulsumError: of category configuration, when the file cannot be read.
    """
    from dotenv import load_dotenv

    file, before = folder / ".env", set(os.environ)
    try:
        load_dotenv(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}",
            next_step="correct the file, or delete it and set the variables in the environment.",
        ) from None
    _FROM_FILE.update(dict.fromkeys(os.environ.keys() - before, file))


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        ImpulsumError: of category configuration, naming each wrong variable and what it should be.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{_variable(item['loc'])}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
        )
        files = {_FROM_FILE.get(_variable(item["loc"])) for item in error.errors()}
        places = sorted("the environment" if file is None else str(file) for file in files)
        raise ImpulsumError(
            Category.CONFIGURATION,
            f"A setting cannot be used: {wrong}",
            next_step=f"correct it in {' and '.join(places)}, and run again.",
        ) from None


def _variable(location: tuple[int | str, ...]) -> str:
    """The environment variable of a place in :class:`Settings`, such as ``("jira", "concurrency")``."""
    return "_".join(str(part) for part in location[: 2 if location[0] in _NESTED else 1]).upper()
