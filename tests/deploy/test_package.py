"""What is shipped: a wheel with everything in it, and locks that hold what the project asks for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
_LOCKED = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==(\S+)(.*?)(?=^[a-z0-9]|\Z)", re.MULTILINE | re.DOTALL
)


def _locked(*names: str) -> dict[str, tuple[str, str]]:
    """Version and the rest (marker and hashes) of every locked package."""
    text = "".join((ROOT / "deploy" / name).read_text() for name in names)
    return {
        canonicalize_name(name): (version, rest) for name, version, rest in _LOCKED.findall(text)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_three_folders(wheel: Path) -> None:
    command = ["git", "ls-files", "flows", "tasks", "deploy"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())

    assert {name for name in listed.stdout.splitlines() if (ROOT / name).exists()} <= shipped
    assert {name.split("/")[0] for name in shipped} == {
        "flows", "tasks", "deploy", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    }  # fmt: skip


def test_an_installed_copy_answers_without_its_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    script = "import flows, sys; print(flows.__file__); from flows.command_line import run"
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{script}; sys.exit(run(['--help']))"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")}, cwd=tmp_path,
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert str(tmp_path) in done.stdout.splitlines()[0]
    assert "wsus-airgap" in done.stdout


def test_every_dependency_is_locked_at_a_version_that_is_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requested = {
        ("requirements.lock",): [
            *project["project"]["dependencies"],
            *project["dependency-groups"]["build"],
        ],
        ("requirements.lock", "requirements-test.lock"): (
            project["project"]["optional-dependencies"]["test"]
        ),
    }

    for names, requirements in requested.items():
        locked = _locked(*names)
        for requirement in map(Requirement, requirements):
            version, _ = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_the_locks_prove_every_file_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / "deploy" / name).read_text()
        assert all("--hash=sha256:" in rest for _, rest in _locked(name).values())
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text


def test_the_locks_are_good_for_windows_too() -> None:
    assert "sys_platform == 'win32'" in _locked("requirements.lock")["pywin32"][1]
