"""The JSON of a drop file: which fields, of which types. See ``docs/drop-files.md``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from impulsum_pipelines.webhooks.receiving.vendors import VENDORS

#: The version of the contract that is written and read here.
VERSION = 1

#: There was none of these services before.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

#: A producer's clock may be wrong by its zone; what was received later than that was not.
AHEAD = timedelta(days=1)


def _readable(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"this reader knows version {VERSION}, and no {version}")
    return version


def _known(source: str) -> str:
    if source not in VENDORS:
        raise ValueError(f"no source is called so; there are {', '.join(VENDORS)}")
    return source


def _in_utc(moment: datetime) -> datetime:
    # Compared as it is: the first and the last hours of the calendar have no time in UTC.
    if not EARLIEST <= moment <= datetime.now(UTC) + AHEAD:
        raise ValueError(f"the time is before {EARLIEST.year}, or more than a day ahead")
    return moment.astimezone(UTC)


class Envelope(BaseModel):
    """What a drop file holds. Fields that it does not know are refused: they are typing errors, or a later version."""

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
            raise ValueError("there must be either body or body_base64")
        return self


def parse(data: bytes) -> Envelope:
    """The envelope in these bytes.

    Raises:
        ValueError: saying in words what is wrong; never with a value that could be a secret.
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
        raise ValueError("; ".join(_said(item["loc"], item["msg"]) for item in error.errors()[:5])) from None


def _said(place: tuple[int | str, ...], message: str) -> str:
    named = ascii(".".join(map(str, place)))[1:-1][:80] or "The envelope"
    return f"{named}: {message.removeprefix('Value error, ')}"
