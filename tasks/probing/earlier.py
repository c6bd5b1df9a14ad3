"""Traces of wsusutil in this side's state: exit codes, logs, the newest package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tasks.bundle.layout import PACKAGE
from tasks.errors import PackageError
from tasks.probing.package_shape import read_shape
from tasks.probing.seen import Earlier, PackageShape

_MOST_RUNS = 200


def read_earlier(state_dir: Path) -> tuple[Earlier, ...]:
    """Read the reports of earlier runs, the newest first; reports of earlier versions have none."""
    reports = sorted((state_dir / "reports").glob("*/report.json"), reverse=True)
    return tuple(_runs(reports[:_MOST_RUNS]))


def _runs(reports: list[Path]) -> Iterator[Earlier]:
    for path in reports:
        try:
            document = json.loads(path.read_bytes())
            form = document["details"]["wsusutil"]
            yield Earlier.model_validate(form)
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            continue


def read_newest_package(state_dir: Path) -> PackageShape | str | None:
    """Return the form of the newest package that this side keeps.

    Returns:
        None if there is none, and the reason if it cannot be read.
    """
    packages = sorted(state_dir.glob(f"*/*/{PACKAGE}"), key=lambda path: path.stat().st_mtime_ns)
    if not packages:
        return None
    try:
        return read_shape(packages[-1])
    except (PackageError, OSError) as error:
        return type(error).__name__
