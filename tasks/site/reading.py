"""Read a site file, and report all its faults at once, each with its line and key."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.errors import PathMissingError, SiteFileError, WrongSideError
from tasks.names import Side
from tasks.site.faults import Fault, faults_of, read_text, site_file_error
from tasks.site.settings import Site

SITES_VARIABLE = "WSUS_AIRGAP_SITES"
SITE_VARIABLE = "WSUS_AIRGAP_SITE"
_NAME_IT = "Name the site's file with --site, or in the variable WSUS_AIRGAP_SITE."
_registered_sites: dict[str, Path] = {}


def read_site(path: Path) -> Site:
    """Read and validate a site file.

    Raises:
        PathMissingError: There is no such file.
        SiteFileError: The file cannot be read, or has faults; missing files that it names are
            faults too.
    """
    path = Path(os.path.abspath(path))
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise PathMissingError(what="the site file", path=path, remedy=_NAME_IT) from None
    except OSError as error:
        raise SiteFileError(path=path, problems=(f"cannot be read: {error.strerror}",)) from None
    except UnicodeDecodeError as error:
        raise SiteFileError(path=path, problems=(f"not UTF-8: {error}",)) from None
    except tomllib.TOMLDecodeError as error:
        raise SiteFileError(path=path, problems=(f"not valid TOML: {error}",)) from None
    faults = [Fault(("path",), "unknown key")] if "path" in table else []
    try:
        site = Site.model_validate(
            {"server": {}, **table, "path": path},
            context={"folder": path.parent, "side": _side_of(table)},
        )
    except ValidationError as error:
        faults += faults_of(error)
    if faults:
        raise site_file_error(path, faults)
    return site


def _side_of(table: dict[str, Any]) -> object:
    site = table.get("site")
    return site.get("side") if isinstance(site, dict) else None


def require_side(site: Site, side: Side, command: str) -> None:
    """Check that a command is one of this side (``WrongSideError`` if not)."""
    if site.side is not side:
        raise WrongSideError(
            command=command, expected=side.value, found=site.side.value, path=site.path
        )


def register_site(path: Path) -> Site:
    """Read a site file and register its name for the runs of this process."""
    site = read_site(path)
    _registered_sites[site.name] = site.path
    return site


def find_site(name: str) -> Site:
    """Read a site by name: registered by this process, or else as the worker's environment says.

    ``WSUS_AIRGAP_SITES`` names a folder of site files, or ``WSUS_AIRGAP_SITE`` one file. No
    parameter of a run names either, because people who may start runs must not choose other files.

    Raises:
        PathMissingError: No variable is set, or the folder has no file of this site.
        SiteFileError: The file has faults, or is the file of another site.
    """
    if name in _registered_sites:
        return read_site(_registered_sites[name])
    folder = os.environ.get(SITES_VARIABLE)
    file = os.environ.get(SITE_VARIABLE)
    if not folder and file:
        return _read_as(name, Path(file))
    if not folder:
        raise PathMissingError(what=f"the folder of site files ({SITES_VARIABLE})", path="(unset)")
    if Path(name).name != name or name in {"", ".", ".."} or not name.isprintable():
        raise PathMissingError(what="the site", path=repr(name))
    return _read_as(name, Path(folder) / f"{name}.toml")


def _read_as(name: str, path: Path) -> Site:
    site = read_site(path)
    if site.name != name:  # for example a copy of another site's file under a new name
        problem = f"{site.name!r}, and the run is for site {name!r}"
        raise site_file_error(site.path, [Fault(("site", "name"), problem)])
    return site
