"""A storm of drop files, processed by processes that are killed with kill -9 at random moments."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from pathlib import Path

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.webhooks.events.inbox import process_inbox
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.webhooks.events.storm import drop_at_once
from impulsum_pipelines_tests.webhooks.events.storm_outcome import find_errors

FILES, KILLS = 200, 4


def process_all(environment: dict[str, str]) -> None:
    """Process the inbox until it is empty."""
    os.environ.clear()
    os.environ.update(environment)
    while dropfiles.waiting(Home.of(load_settings()), 1):
        process_inbox(load_settings())


def test_in_a_storm_with_kills_nothing_is_lost_or_stored_twice(ops_settings: Settings, tmp_path: Path) -> None:
    storm = drop_at_once(ops_settings, tmp_path / "outside", files=FILES)
    home = Home.of(ops_settings)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for left in sorted(random.Random(1).sample(range(FILES // 10, FILES), KILLS), reverse=True):
        victim = context.Process(target=process_all, args=(dict(os.environ),))
        victim.start()
        while victim.is_alive() and len(dropfiles.waiting(home, FILES)) > left:
            time.sleep(0.001)
        victim.kill()
        victim.join()
    process_all(dict(os.environ))
    assert find_errors(ops_settings, storm) == []
