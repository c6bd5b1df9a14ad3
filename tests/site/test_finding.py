"""A run names a site; nothing that it says leads to another file than that site's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tasks.errors import PathMissingError, SiteFileError
from tasks.site import reading
from tasks.site.reading import find_site
from tests.support.runs import write_site_file


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's folder of site files, with a copy that somebody put aside."""
    folder = tmp_path / "sites"
    folder.mkdir()
    site = write_site_file(folder, side="staging")
    shutil.copy(site, folder / "alpha-old.toml")
    shutil.copy(site, tmp_path / "alpha.toml")
    site.rename(folder / "alpha.toml")
    monkeypatch.setenv("WSUS_AIRGAP_SITES", str(folder))
    monkeypatch.setattr(reading, "_registered_sites", {})
    return folder


def test_a_site_is_found_by_its_name_in_the_workers_folder(sites: Path) -> None:
    assert find_site("alpha").path == sites / "alpha.toml"


@pytest.mark.parametrize(
    "name",
    ["../alpha", "sites/alpha", "/etc/passwd", "", ".", "..", "alpha.toml", "beta", "alpha\0",
     "a\nb", "x" * 300],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(sites: Path, name: str) -> None:
    with pytest.raises((PathMissingError, SiteFileError)):
        find_site(name)


def test_a_copy_that_was_put_aside_is_not_the_site(sites: Path) -> None:
    with pytest.raises(SiteFileError, match="the run is for site 'alpha-old'"):
        find_site("alpha-old")


def test_without_a_folder_no_site_is_found(monkeypatch: pytest.MonkeyPatch, sites: Path) -> None:
    monkeypatch.delenv("WSUS_AIRGAP_SITES")
    with pytest.raises(PathMissingError, match="unset"):
        find_site("alpha")
