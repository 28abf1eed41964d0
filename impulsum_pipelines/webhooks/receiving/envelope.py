"""The JSON of a drop file: its fields and their types. See ``docs/drop-files.md``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

#: The version of the contract that this package writes and reads.
VERSION = 1

#: No event is older: none of the services existed before.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

#: The clock of a producer may be wrong by its time zone; a later time cannot be true.
MAX_AHEAD = timedelta(days=1)


def _readable(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"this reader only knows version {VERSION}, not {version}")
    return version


def _known(source: str) -> str:
    if source not in VENDORS:
        raise ValueError(f"unknown source; known sources: {', '.join(VENDORS)}")
    return source


def _in_utc(moment: datetime) -> datetime:
    # Compare before converting: the first and last hours of the calendar cannot be converted to UTC.
    if not EARLIEST <= moment <= datetime.now(UTC) + MAX_AHEAD:
        raise ValueError(f"the time is before {EARLIEST.year}, or more than a day ahead")
    return moment.astimezone(UTC)


class Envelope(BaseModel):
    """The fields of a drop file. Unknown fields are rejected: they are typing errors or belong to a later version."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    version: Annotated[int, AfterValidator(_readable)]
    source: Annotated[str, AfterValidator(_known)]
    received_at: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    headers: dict[str, str]
    body: str | None = None
    body_base64: str | None = None
    signature: Literal["valid", "unsigned"]
    delivery: Annotated[str, Field(pattern=r"^[!-~]{1,256}$")] | None

    @model_validator(mode="after")
    def _one_body(self) -> Envelope:
        if (self.body is None) == (self.body_base64 is None):
            raise ValueError("give either body or body_base64")
        return self


def parse_envelope(data: bytes) -> Envelope:
    """Parse the bytes of a drop file.

    Raises:
        ValueError: with what is wrong; it never contains a value, which could be a secret.
    """
    if not data.strip():
        raise ValueError("It is empty")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"It is not UTF-8: byte {error.start} of {len(data)}") from None
    try:
        return Envelope.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("; ".join(_describe(item["loc"], item["msg"]) for item in error.errors()[:5])) from None


def _describe(place: tuple[int | str, ...], message: str) -> str:
    named = ascii(".".join(map(str, place)))[1:-1][:80] or "The envelope"
    return f"{named}: {message.removeprefix('Value error, ')}"
