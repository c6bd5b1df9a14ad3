"""A later version of the product beside this one: the same code, and another number."""

from __future__ import annotations

import shutil
from pathlib import Path

from tasks.version import VERSION
from tests.support.labs import ROOT

LATER = "0.1.99"


def make_later_version(folder: Path) -> Path:
    """Make its checkout, unless it is there; gives the folder for ``PYTHONPATH``."""
    if not folder.exists():
        for name in ("flows", "tasks", "deploy"):
            shutil.copytree(ROOT / name, folder / name)
        version = folder / "tasks" / "version.py"
        version.write_text(version.read_text().replace(f'"{VERSION}"', f'"{LATER}"'))
    return folder
