"""All checks, one after the other: ``python3 deploy/run.py test`` makes the environment for this.

First, what real tests need and this machine lacks is installed with apt, where that may be done
(as root, on a system that has it); what then is still missing is said, with what will not run
because of it. With CI=true those tests fail.

With arguments only pytest runs, and gets them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import needs

_PYTHON = sys.executable
_TESTS_FAILED = 1  # what pytest ends with when it ran and tests failed
# A process more than there are cores: half of what these tests do is wait. A file's tests stay in
# one process, and files are taken in their order, so that the long ones do not all come last.
_PROCESSES = min(4, (os.cpu_count() or 1) + 1)
_ALL_TESTS = [
    *["pytest", f"--numprocesses={_PROCESSES}"],
    *["--dist=loadfile", "--no-loadscope-reorder", "--durations=25"],
]
# Where pytest makes its folders if it is large enough.
_MEMORY_DISK = Path("/dev/shm")  # noqa: S108  the system's own disk in memory
_MEMORY_DISK_BYTES = 8_000_000_000
_STYLE = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
}
_TYPES = {
    "mypy": ["mypy"],
    # What exists on one system only stands behind a test of sys.platform; this proves it.
    "mypy for Windows": [
        *["mypy", "--platform", "win32", "--no-warn-unreachable"],
        *["--cache-dir", ".mypy_cache/win32", "flows", "tasks", "deploy"],
    ],
}


def main(arguments: list[str]) -> int:
    """Run them all, whatever fails, and name at the end what did."""
    install_needs()
    if arguments:
        _say("pytest")
        return _end([] if _passes(["pytest", *arguments]) else ["pytest"])
    failed = []
    for name, command in _STYLE.items():
        _say(name)
        if not _passes(command):
            failed.append(name)
    # Types are checked beside the tests, which wait half of their time.
    with ThreadPoolExecutor(1) as pool:
        types = {name: pool.submit(_run_silently, command) for name, command in _TYPES.items()}
        _say("pytest, and mypy beside it")
        tests_pass = _passes(_ALL_TESTS)
    for name, check in types.items():
        done = check.result()
        _say(f"{name}\n{done.stdout.strip()}")
        if done.returncode:
            failed.append(name)
    return _end(failed if tests_pass else [*failed, "pytest"])


def _end(failed: Sequence[str]) -> int:
    _say(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def _run_silently(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_PYTHON, "-m", *command],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _passes(command: list[str]) -> bool:
    """Run one check; tests that fail get a second try alone, and are named as unsteady.

    Tests with real processes, servers and time limits share a machine with whatever else runs
    there. One that is broken fails the second time too.
    """
    environment = _with_fast_disk(os.environ)
    code = subprocess.run([_PYTHON, "-m", *command], check=False, env=environment).returncode
    if code != _TESTS_FAILED or command is not _ALL_TESTS:
        return code == 0
    _say("once more, only what failed; what passes now is unsteady and wants a look")
    again = [_PYTHON, "-m", "pytest", "--last-failed", "--last-failed-no-failures", "none"]
    return subprocess.run(again, check=False, env=environment).returncode == 0


def _with_fast_disk(environment: Mapping[str, str]) -> dict[str, str]:
    """Have pytest make its folders in memory, where there is enough: every fsync takes its time."""
    try:
        is_large = shutil.disk_usage(_MEMORY_DISK).free >= _MEMORY_DISK_BYTES
    except OSError:
        is_large = False
    if not (is_large and os.access(_MEMORY_DISK, os.W_OK)):
        return dict(environment)
    return {"PYTEST_DEBUG_TEMPROOT": str(_MEMORY_DISK), **environment}


def install_needs() -> None:
    """Install with apt what is missing, if we may, and say what will not run without the rest."""
    absent = [name for name in needs.NEEDS if needs.missing(name)]
    packages = sorted({package for name in absent for package in needs.NEEDS[name].debian})
    if packages and _may_use_apt():
        _say(f"installing with apt: {' '.join(packages)} (WSUS_AIRGAP_NO_APT=1 forbids it)")
        _apt_install(packages)
    for reason in filter(None, map(needs.missing, absent)):
        consequence = "fails" if needs.is_ci() else "is not run"
        _say(f"what needs it {consequence}: {reason}")


def _apt_install(packages: list[str]) -> None:
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, check=False, env=settings, capture_output=True, text=True)
        if done.returncode:
            _say(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-500:]}")
            return


def _may_use_apt() -> bool:
    is_forbidden = bool(os.environ.get("WSUS_AIRGAP_NO_APT"))
    return not is_forbidden and not needs.missing("root") and shutil.which("apt-get") is not None


def _say(text: str) -> None:
    print(f"test: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
