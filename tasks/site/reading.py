"""Read a site file: all that is wrong with it at once, each with its line and key path."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from tasks.errors import PathMissingError, SiteFileError, WrongSideError
from tasks.names import Side
from tasks.site.faults import Fault, faults_of, read_text, site_file_error
from tasks.site.settings import Site

_SITES_VARIABLE = "WSUS_AIRGAP_SITES"
_NAME_IT = "Name the site's file with --site, or in the variable WSUS_AIRGAP_SITE."
_at_hand: dict[str, Path] = {}


def read_site(path: Path) -> Site:
    """Read and judge a site file.

    Raises:
        PathMissingError: There is no such file.
        SiteFileError: Everything that is wrong with it, files that it names and that are not
            there included.
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
            {"server": {}, **table, "path": path}, context={"folder": path.parent}
        )
    except ValidationError as error:
        faults += faults_of(error)
    if faults:
        raise site_file_error(path, faults)
    return site


def require_side(site: Site, side: Side, command: str) -> None:
    """Refuse a command of the other side (``WrongSideError``)."""
    if site.side is not side:
        raise WrongSideError(
            command=command, expected=side.value, found=site.side.value, path=site.path
        )


def lay_out_site(path: Path) -> Site:
    """Read a site file and keep it at hand for the runs of this process, by its name."""
    site = read_site(path)
    _at_hand[site.name] = site.path
    return site


def find_site(name: str) -> Site:
    """Find a site by name: one laid out by this process, else in the worker's sites folder.

    The folder is named by the environment of the worker (``WSUS_AIRGAP_SITES``), never by a
    parameter of a run, so that whoever may start runs cannot point them at another file.

    Raises:
        PathMissingError: No such folder is named, or it has no file of this site.
        SiteFileError: The file is wrong, or is another site's.
    """
    if name in _at_hand:
        return read_site(_at_hand[name])
    folder = os.environ.get(_SITES_VARIABLE)
    if not folder:
        raise PathMissingError(what=f"the folder of site files ({_SITES_VARIABLE})", path="(unset)")
    if Path(name).name != name or name in {"", ".", ".."} or not name.isprintable():
        raise PathMissingError(what="the site", path=repr(name))
    site = read_site(Path(folder) / f"{name}.toml")
    if site.name != name:  # a copy that was put aside: not the site that was asked for
        problem = f"{site.name!r}, and the file is called after {name!r}"
        raise site_file_error(site.path, [Fault(("site", "name"), problem)])
    return site
