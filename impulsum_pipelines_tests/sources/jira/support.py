"""A sync of Jira through the public door, and what is held afterwards."""

from __future__ import annotations

from impulsum_pipelines_tests.sources.pulls import Pulls

_jira = Pulls("jira")
sync, held, one, alive, everything = _jira.sync, _jira.held, _jira.one, _jira.alive, _jira.everything
