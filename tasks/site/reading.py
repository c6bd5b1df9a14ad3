"""Read a site file: all that is wrong with it at once, each with its key path."""

from __future__ import annotations

import ntpath
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.errors import PathMissingError, SiteFileError, UsageError, WrongSideError
from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.site.settings import ServerSection, Side, Site

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
        # Editors and PowerShell on Windows begin UTF-8 with a byte order mark.
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PathMissingError(what="the site file", path=path, remedy=_NAME_IT) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SiteFileError(path=path, problems=str(error)) from None
    problems = ["path: unknown key"] if "path" in table else []
    missing = _missing_files(table, path.parent)
    try:
        site = Site.model_validate({**table, "path": path})
        problems += [*missing, *_contradictions(site)]
    except ValidationError as error:
        problems += [*_sentences(error), *missing]
    if problems:
        raise SiteFileError(path=path, problems="; ".join(problems))
    return _absolute(site, path.parent)


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
        problem = f"site.name: {site.name!r}, and the file is called after {name!r}"
        raise SiteFileError(path=site.path, problems=problem)
    return site


def _sentences(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        text = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{key}: {text}")
    return lines


def _absolute(site: Site, folder: Path) -> Site:
    def here(path: Path | None) -> Path | None:
        return None if path is None else _here(path, folder)

    server = site.server
    changes: dict[str, Any] = {
        "site": site.site.model_copy(update={"state_dir": here(site.site.state_dir)}),
        "server": server.model_copy(
            update={
                "identity_file": here(server.identity_file),
                "known_hosts": here(server.known_hosts),
                "content_dir": _on_server(server.content_dir, server.platform, folder),
                "work_dir": _on_server(server.work_dir, server.platform, folder),
                "scripts_dir": _on_server(server.scripts_dir, server.platform, folder),
                "wsusutil": _program(server.wsusutil, server.platform, folder),
                "powershell": _program(server.powershell, server.platform, folder),
            }
        ),
        "media": site.media.model_copy(
            update={
                # A mount point may be reached by a link; below it none is followed.
                "path": Path(os.path.realpath(_here(site.media.path, folder))),
                "return_path": here(site.media.return_path),
            }
        ),
        "trust": site.trust.model_copy(
            update={
                "signing_key": here(site.trust.signing_key),
                "trusted_keys": tuple(here(key) for key in site.trust.trusted_keys),
                "receipt_secret": here(site.trust.receipt_secret),
            }
        ),
    }
    return site.model_copy(update=changes)


def _on_server(text: str | None, platform: Platform, folder: Path) -> str | None:
    if text is None or ntpath.isabs(text) or platform is Platform.WINDOWS:
        return text
    return os.path.abspath(folder / text)


def _program(command: tuple[str, ...], platform: Platform, folder: Path) -> tuple[str, ...]:
    first = command[0]
    # A bare name is looked up on the server's PATH; only what looks like a path is made one.
    if "/" not in first and "\\" not in first:
        return command
    return (_on_server(first, platform, folder) or first, *command[1:])


def _here(path: Path, folder: Path) -> Path:
    """A path of this machine, relative to the site file's folder."""
    return Path(os.path.abspath(folder / path.expanduser()))


def _missing_files(table: Mapping[str, Any], folder: Path) -> list[str]:
    """The files that a site file names and that are not there.

    Read from the table as it stands, so that it is said together with what the models refuse.
    """
    server, trust = (_table(table, name) for name in ("server", "trust"))
    named = {
        "server.identity_file": server.get("identity_file"),
        "trust.signing_key": trust.get("signing_key"),
        "trust.receipt_secret": trust.get("receipt_secret"),
    }
    trusted = trust.get("trusted_keys")
    if isinstance(trusted, list):
        named |= {f"trust.trusted_keys.{n}": key for n, key in enumerate(trusted)}
    problems = [
        f"{key}: file not found: {_here(Path(text), folder)}"
        for key, text in named.items()
        if isinstance(text, str) and not _here(Path(text), folder).is_file()
    ]
    if server.get("address", "local") == "local":
        problems += _missing_programs(server, folder)
    return problems


def _missing_programs(server: Mapping[str, Any], folder: Path) -> list[str]:
    is_posix = server.get("platform") == Platform.POSIX
    problems = []
    for key in ("wsusutil", "powershell"):
        command = server.get(key) or ServerSection.model_fields[key].default
        first = command[0] if isinstance(command, (list, tuple)) else None
        if not isinstance(first, str):
            continue  # the models say so
        (program,) = _program((first,), Platform.POSIX if is_posix else Platform.WINDOWS, folder)
        if Path(program).is_absolute() and not Path(program).exists():
            problems.append(f"server.{key}.0: program not found: {program}")
    return problems


def _table(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name)
    return found if isinstance(found, dict) else {}


def _contradictions(site: Site) -> list[str]:
    """What is wrong with keys that are each right."""
    problems = []
    if site.server.address != LOCAL:
        try:
            parse_ssh_address(site.server.address)
        except UsageError as error:
            problems.append(f"server.address: {error.message}")
        if site.server.known_hosts is None:
            problems.append("server.known_hosts: needed with an ssh:// address (strict host keys)")
    if site.trust.threshold > len(site.trust.trusted_keys):
        problems.append("trust.threshold: higher than the number of trusted keys")
    return problems
