"""Runs on the session's Prefect server, of a site that has no WSUS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.prefect_api import server_within
from tasks.site.reading import register_site
from tests.support.runs import write_site_file


@pytest.fixture(scope="module")
def api_url(shared_api: str) -> Iterator[str]:
    """The address of the server, which flows of this process use; drained at the end."""
    with temporary_settings({PREFECT_API_URL: shared_api}), server_within():
        yield shared_api


@pytest.fixture
def site(tmp_path: Path) -> str:
    """The name of a staging site that runs of this process find."""
    return register_site(write_site_file(tmp_path, side="staging")).name
