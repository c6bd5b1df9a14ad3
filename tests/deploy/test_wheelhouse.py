"""One folder from which a machine without a network installs: whole, signed, checked first."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker, default_environment

from deploy.wheelhouse import (
    Requirement,
    WheelhouseError,
    make_wheelhouse,
    read_lock,
)
from tests.support import needs

ROOT = Path(__file__).resolve().parents[2]
LOCK = read_lock((ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8"))
_RUN = """
import os, subprocess, sys
names = ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_INDEX_URL")
print("run.py", *sys.argv[1:], *(f"{name}={os.environ.get(name)}" for name in names))
"""


def make_wheel(index: Path, name: str, tag: str) -> str:
    wheel = index / f"{name}-1-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        info = f"{name}-1.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed checkout, and an index with one wheel for each of its markers."""
    folder = tmp_path_factory.mktemp("project")
    deploy, index = folder / "clone" / "deploy", folder / "index"
    deploy.mkdir(parents=True)
    index.mkdir()
    (deploy / "run.py").write_text(_RUN)
    packages = (
        ("always", "py3-none-any", ""),
        ("old", "py3-none-any", " ; python_full_version < '3.11.3'"),
        ("windows", "cp311-cp311-win_amd64", " ; sys_platform == 'win32'"),
        ("never", "py3-none-any", " ; python_full_version < '3.11'"),
    )
    lines = [
        f"{name}==1{marker} \\\n    --hash=sha256:{make_wheel(index, name, tag)}\n"
        for name, tag, marker in packages
    ]
    (deploy / "requirements.lock").write_text("".join(lines))
    git = ["git", "-C", str(folder / "clone"), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.fixture(scope="module")
def house(project: Path) -> Path:
    """A signed folder for both systems."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(project / "index"))
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        make_wheelhouse(
            project / "house",
            root=project / "clone",
            pythons=["3.11"],
            platforms=["linux", "windows"],
            key=project / "release.key",
        )
    return project / "house"


@pytest.fixture
def copy(house: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(house, tmp_path / "carried"))


def install(folder: Path, target: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["sh", str(folder / "install.sh"), str(target), "--python", sys.executable, *words]
    environment = {**os.environ, "PIP_INDEX_URL": "https://index.example"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@given(st.sampled_from(LOCK), st.integers(0, 30), st.sampled_from(["3.11", "3.12", "3.13"]))
def test_every_line_that_holds_for_a_patch_release_is_taken(
    line: Requirement, patch: int, python: str
) -> None:
    here: dict[str, Any] = {**default_environment(), "python_version": python}
    here["python_full_version"] = f"{python}.{patch}"
    holds = line.marker is None or Marker(line.marker).evaluate({**here, "extra": ""})

    assert line.may_hold(python, "linux") or not holds


def test_the_lock_s_own_markers_are_taken_for_the_systems_they_are_for() -> None:
    by_name = {line.pin.partition("==")[0]: line for line in LOCK}

    assert all(line.hashes for line in LOCK)
    assert by_name["async-timeout"].may_hold("3.11", "linux")
    assert not by_name["async-timeout"].may_hold("3.12", "linux")
    assert by_name["pywin32"].may_hold("3.12", "windows")
    assert not by_name["pywin32"].may_hold("3.12", "linux")
    assert by_name["tzdata"].may_hold("3.13", "windows")


def test_it_holds_the_wheels_of_both_systems_and_the_checkout(house: Path) -> None:
    names = {path.relative_to(house).as_posix() for path in house.rglob("*") if path.is_file()}

    assert {name for name in names if name.startswith("wheels/")} == {
        "wheels/always-1-py3-none-any.whl",
        "wheels/old-1-py3-none-any.whl",
        "wheels/windows-1-cp311-cp311-win_amd64.whl",
    }
    assert {"checkout.zip", "SHA256SUMS", "SHA256SUMS.sig", "install.sh", "install.ps1"} <= names
    key = house.parent / "release.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_uncommitted_change_and_a_folder_that_is_there_are_refused(
    project: Path, house: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {
        "root": project / "clone",
        "pythons": ["3.11"],
        "platforms": ["linux"],
        "key": None,
    }
    with pytest.raises(WheelhouseError, match="exists already"):
        make_wheelhouse(house, **options)
    run = project / "clone" / "deploy" / "run.py"
    run.write_text(f"{_RUN}#")
    try:
        with pytest.raises(WheelhouseError, match=r"not as it was committed .*run\.py"):
            make_wheelhouse(tmp_path / "new", **options)
    finally:
        run.write_text(_RUN)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_cannot_be_had_leaves_no_folder(project: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(tmp_path))
        with pytest.raises(WheelhouseError, match=r"(?s)Python 3\.11 on linux.*always"):
            make_wheelhouse(
                tmp_path / "house",
                root=project / "clone",
                pythons=["3.11"],
                platforms=["linux"],
                key=None,
            )

    assert list(tmp_path.iterdir()) == []


def test_it_installs_with_its_own_wheels_and_no_index(copy: Path, tmp_path: Path) -> None:
    installed = install(copy, tmp_path / "target")

    assert installed.returncode == 0, installed.stderr
    wheels = copy / "wheels"
    line = f"run.py --version PIP_NO_INDEX=1 PIP_FIND_LINKS={wheels} PIP_INDEX_URL=None"
    assert line in installed.stdout


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_the_signature_is_checked_before_anything_else(
    house: Path, copy: Path, tmp_path: Path
) -> None:
    key = str(house.parent / "release.pub.pem")
    assert "signature: good" in install(copy, tmp_path / "good", "--key", key).stdout

    sums = copy / "SHA256SUMS"
    sums.write_text(sums.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    refused = install(copy, tmp_path / "bad", "--key", key)

    assert refused.returncode == 3
    assert "is not signed by" in refused.stderr
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_folder_that_is_not_as_it_was_made_is_refused(
    copy: Path, tmp_path: Path, harm: str
) -> None:
    wheel = copy / "wheels" / "always-1-py3-none-any.whl"
    if harm == "changed":
        wheel.write_bytes(wheel.read_bytes() + b"x")
    elif harm == "missing":
        wheel.unlink()
    else:
        (copy / "wheels" / "always-2-py3-none-any.whl").write_bytes(b"a newer one")

    refused = install(copy, tmp_path / "target")

    assert refused.returncode == 3
    assert "nothing was installed" in refused.stderr
    assert not (tmp_path / "target").exists()


@needs.pwsh
def test_the_windows_script_keeps_to_windows_powershell() -> None:
    script = ROOT / "deploy" / "wheelhouse_files" / "install.ps1"
    command = [str(needs.path("pwsh")), "-Check51", str(script)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
