"""The receiver's memory of keys: limited in time and number, and without failures."""

from __future__ import annotations

import asyncio

import pytest

from impulsum_pipelines.webhooks.receiving.recent_keys import RecentKeys


def test_work_is_done_once_for_all_who_ask_at_once() -> None:
    done = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    async def ask() -> list[bool]:
        recent = RecentKeys()
        return [*await asyncio.gather(*(recent.once("a", work) for _ in range(5))), await recent.once("a", work)]

    assert asyncio.run(ask()) == [True, False, False, False, False, False]
    assert done == [1]


def test_a_failure_reaches_all_who_wait_and_is_forgotten() -> None:
    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise OSError("full")

    async def succeed() -> None: ...

    async def ask() -> None:
        recent = RecentKeys()
        failures = await asyncio.gather(*(recent.once("a", fail) for _ in range(3)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [OSError] * 3
        assert await recent.once("a", succeed)

    asyncio.run(ask())


@pytest.mark.parametrize("recent", [RecentKeys(seconds=0.02), RecentKeys(most=2)], ids=["time", "number"])
def test_the_oldest_is_forgotten(recent: RecentKeys) -> None:
    async def work() -> None: ...

    async def ask() -> list[bool]:
        first = [await recent.once(name, work) for name in "aa"]
        await asyncio.sleep(0.03)
        return [*first, *[await recent.once(name, work) for name in "bca"]]

    assert asyncio.run(ask()) == [True, False, True, True, True]
