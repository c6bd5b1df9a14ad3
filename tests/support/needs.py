"""What real tests need from the machine, as marks.

``@needs.sshd`` on a test, or ``pytestmark = [needs.pwsh, needs.root]`` in a module, says that it
cannot run without that program or right. Where it is missing the test is skipped and says what
to install; with ``CI=true`` it fails instead, since a check that was not made is no check
(``tests/conftest.py`` does both).

A fixture that starts the program asks for its path: ``needs.path("sshd")``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a test can need.

    Attributes:
        programs: Names of which any one will do, looked up on the PATH and in the sbin folders.
        remedy: What a person does to get it.
        debian: Packages that bring it, for ``deploy/run.py test``; empty when none does.
    """

    programs: tuple[str, ...]
    remedy: str
    debian: tuple[str, ...] = ()


# Real documents of WSUS servers are no part of the repository, since they are not ours.
REAL_DOCUMENTS = "WSUS_AIRGAP_REAL_DOCUMENTS"

NEEDS: dict[str, Need] = {
    "pwsh": Need(
        ("pwsh",),
        "install PowerShell from Microsoft (deploy/README.md says how) and put pwsh on the PATH",
    ),
    "sshd": Need(("sshd",), "install the OpenSSH server", ("openssh-server", "openssh-client")),
    "chromium": Need(
        ("chromium", "chromium-browser", "google-chrome"),
        "install Chromium and its driver",
        ("chromium", "chromium-driver"),
    ),
    "strace": Need(("strace",), "install strace", ("strace",)),
    "b3sum": Need(("b3sum",), "install b3sum", ("b3sum",)),
    "systemd": Need(("systemd-analyze",), "install systemd", ("systemd",)),
    "root": Need((), "run the tests as root"),
    "real_documents": Need((), f"set {REAL_DOCUMENTS} to the folder of the real update documents"),
}

# sshd is where a plain user's PATH does not look.
_EXTRA_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")


def find(program: str) -> Path | None:
    """Where a program is, or None."""
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), *_EXTRA_FOLDERS))
    found = shutil.which(program, path=folders)
    return None if found is None else Path(found)


def missing(name: str) -> str | None:
    """Why a need is not met here, or None when it is."""
    if name == "root":
        return None if _is_root() else f"not root: {NEEDS[name].remedy}"
    if name == "real_documents":
        return _missing_documents()
    need = NEEDS[name]
    if any(find(program) for program in need.programs):
        return None
    return f"{' or '.join(need.programs)} is not on this machine: {need.remedy}"


def path(name: str) -> Path:
    """The program behind a need; the test that asks carries the mark, so it is there."""
    for program in NEEDS[name].programs:
        found = find(program)
        if found is not None:
            return found
    raise FileNotFoundError(missing(name))


def first_missing(names: Iterable[object]) -> str | None:
    """The reason for the first of some needs that is not met, or None."""
    for name in names:
        reason = missing(str(name))
        if reason is not None:
            return reason
    return None


def is_ci() -> bool:
    """Whether what cannot run is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _is_root() -> bool:
    geteuid: Callable[[], int] | None = getattr(os, "geteuid", None)
    return geteuid is not None and geteuid() == 0


def _missing_documents() -> str | None:
    folder = os.environ.get(REAL_DOCUMENTS, "")
    if not folder:
        return f"the real documents are not here: {NEEDS['real_documents'].remedy}"
    return None if Path(folder).is_dir() else f"{REAL_DOCUMENTS} names {folder}, which is no folder"


pwsh = pytest.mark.needs("pwsh")
sshd = pytest.mark.needs("sshd")
chromium = pytest.mark.needs("chromium")
b3sum = pytest.mark.needs("b3sum")
strace = pytest.mark.needs("strace")
systemd = pytest.mark.needs("systemd")
root = pytest.mark.needs("root")
real_documents = pytest.mark.needs("real_documents")
