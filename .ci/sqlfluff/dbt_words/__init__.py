"""What dbt offers to a template beyond SQLFluff's own stand-ins: it lints the models as dbt would render them.

SQLFluff imports this folder as a module of its own, see ``library_path`` in ``pyproject.toml``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_PROJECT = yaml.safe_load((Path(__file__).resolve().parents[3] / "dbt_project" / "dbt_project.yml").read_text())

execute = False


def var(name: str, default: Any = None) -> Any:
    """The variable in ``dbt_project.yml``, or else the default."""
    return _PROJECT["vars"][_PROJECT["name"]].get(name, default)


def env_var(_name: str, default: str) -> str:
    """The default: the result must not depend on who lints."""
    return default
