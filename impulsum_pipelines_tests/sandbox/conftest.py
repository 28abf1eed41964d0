"""A small client of the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.conftest import SandboxFactory


class Client:
    """Asks a sandbox with its account's credentials."""

    def __init__(self, served: Running) -> None:
        self.served = served
        self.session = requests.Session()
        self.session.auth = (served.env["JIRA_EMAIL"], served.env["JIRA_API_TOKEN"])

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self._url(path), params=params, timeout=30)

    def post(self, path: str, **body: Any) -> requests.Response:
        return self.session.post(self._url(path), json=body, timeout=30)

    def _url(self, path: str) -> str:
        return self.served.url + (path if path.startswith("/") else f"/rest/api/3/{path}")

    def search(self, jql: str, **more: Any) -> list[dict[str, Any]]:
        """All issues of a search, over all pages."""
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.post("search/jql", jql=jql, **more, **token).json()
            found += page["issues"]
            if "nextPageToken" not in page:
                assert page["isLast"]
                return found
            token = {"nextPageToken": page["nextPageToken"]}

    def keys(self, jql: str) -> list[str]:
        """Keys of all issues of a search."""
        return [issue["key"] for issue in self.search(jql, fields=["key"], maxResults=5000)]

    def refused(self, jql: str) -> str:
        """Jira's sentence about a query that it refuses."""
        answer = self.post("search/jql", jql=jql)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["errorMessages"][0])


@pytest.fixture
def client(sandbox: SandboxFactory) -> Callable[..., Client]:
    """Starts a sandbox and returns a client of it; the arguments are those of ``sandbox``."""
    return lambda **options: Client(sandbox(**options))
