"""One measurement in a separate process: prints its seconds and requests as JSON.

``pull PAGES`` syncs Jira and records the requests that it sends. ``loop PAGES`` sends the same requests one after the
other and parses each answer, which is the least that a client in Python must do. Both exclude the time of imports.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import requests

from impulsum_pipelines.settings import load_settings


def pull(pages: Path) -> int:
    """A sync; returns how many requests it sent."""
    from impulsum_pipelines.loading.run_load import run_load

    sent: list[tuple[str, str, Any, str | None]] = []
    original = requests.Session.request

    def recorded(self: requests.Session, method: str, url: str, **arguments: Any) -> requests.Response:
        data = arguments.get("data")
        sent.append((method, url, arguments.get("params"), data.decode() if data else None))
        return original(self, method, url, **arguments)

    setattr(requests.Session, "request", recorded)  # noqa: B010
    result = run_load("jira", load_settings())
    pages.write_text(json.dumps(sent))
    return result.requests


def loop(pages: Path) -> int:
    """The same pages, requested and parsed."""
    settings = load_settings()
    assert settings.jira.email and settings.jira.api_token
    sent = json.loads(pages.read_text())
    with requests.Session() as session:
        session.auth = (settings.jira.email, settings.jira.api_token.get_secret_value())
        for method, url, params, data in sent:
            headers = {"Content-Type": "application/json"} if data else None
            session.request(method, url, params=params, data=data, headers=headers, timeout=60).json()
    return len(sent)


if __name__ == "__main__":
    if sys.argv[1] == "pull":
        import_module("impulsum_pipelines.loading.run_load")
        import_module("impulsum_pipelines.sources.jira.source")
        import_module("pandas")  # pyarrow imports it when it makes its first array
        import_module("dlt.common.libs.sql_alchemy_compat")  # dlt imports it when it first sees a destination
    work = {"pull": pull, "loop": loop}[sys.argv[1]]
    began = time.monotonic()
    count = work(Path(sys.argv[2]))
    print(json.dumps({"seconds": time.monotonic() - began, "requests": count}))  # noqa: T201 - its only output
