"""What Dagster's catalog shows of each asset beside its data: owner, layer and cadence, source files, deadline."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from impulsum_pipelines.settings import Settings

#: Who answers for what, by group of assets. All other groups belong to the owner of the platform.
_PLATFORM = "team:data-platform"
_OWNERS = {
    "core": "team:delivery-analytics",
    "velocity": "team:delivery-analytics",
    "risk": "team:delivery-analytics",
    "alerts": "team:delivery-analytics",
    "quality": "team:data-quality",
    "restricted": "team:data-privacy",
}


def owners(group: str) -> list[str]:
    """The owners of the assets of a group that name none themselves."""
    return [_OWNERS.get(group, _PLATFORM)]


def tags(layer: str, cadence: str) -> dict[str, str]:
    """The tags of an asset.

    Args:
        layer: raw, staging, intermediate, mart or product.
        cadence: name of the tier that keeps it fresh, or what its runs follow.
    """
    return {"layer": layer, "cadence": cadence}


def source_files(*files: Path) -> Mapping[str, Any]:
    """Metadata with links to the files that make an asset; the UI opens them in an editor."""
    with without_beta_warnings():
        links = [
            dg.LocalFileCodeReference(file_path=str(file), label=f"{file.parent.name}/{file.name}") for file in files
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=links)}


@contextmanager
def without_beta_warnings() -> Iterator[None]:
    """Dagster warns of each link that is made or read that such links are in beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield


def working_day_deadline(within: timedelta, settings: Settings) -> dg.FreshnessPolicy:
    """A deadline at full hours of the working day. A plain age limit would be missed every night.

    Args:
        within: the asset is late when it is older than this at a deadline; counted in full hours.
        settings: the business hours and their zone.
    """
    first, last = settings.business_hours
    hours = min(ceil(within / timedelta(hours=1)), last - first)
    deadlines = range(first + hours, min(last, 23) + 1, hours) or [23]
    return _deadline(f"0 {','.join(map(str, deadlines))} * * 1-5", timedelta(hours=hours), settings.impulsum_timezone)


#: Cached, so that assets share policies: making one computes a thousand cron ticks.
_deadline = cache(dg.FreshnessPolicy.cron)
