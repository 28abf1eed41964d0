"""Pull Jira as users do, and query what is stored afterwards."""

from __future__ import annotations

from impulsum_pipelines_tests.sources.pulls import Pulls

_jira = Pulls("jira")
sync, held, one, alive, everything = _jira.sync, _jira.held, _jira.one, _jira.alive, _jira.everything
tables_with = _jira.tables_with
