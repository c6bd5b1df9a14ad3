"""The launcher, run as a newcomer runs it, on a small project with one package from a local index.

Venv, pip, hashes and files are real; the project is small so that an install takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A build backend of its own, since nothing is fetched here: an editable wheel is a path file.
_BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "wsus_airgap-1.dist-info"
    with zipfile.ZipFile(os.path.join(folder, "wsus_airgap-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("wsus_airgap.pth", os.getcwd())
        wheel.writestr(f"{name}/METADATA", "Metadata-Version: 2.1\\nName: wsus-airgap\\nVersion: 1")
        wheel.writestr(f"{name}/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any")
        wheel.writestr(f"{name}/entry_points.txt", "[console_scripts]\\nwsus-airgap = cli:main\\n")
        wheel.writestr(f"{name}/RECORD", "")
    return "wsus_airgap-1-py3-none-any.whl"

def get_requires_for_build_editable(config_settings=None):
    return []
"""
_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "wsus-airgap"
version = "1"
"""
_CLI = """
import json, sys, wares
def main():
    print(json.dumps({"arguments": sys.argv[1:], "prefix": sys.prefix}))
    return 3
"""
_MAKE_TEMPLATE = "import pathlib, sys; pathlib.Path(sys.prefix, 'template').touch()"


def _lay_out(folder: Path) -> Path:
    deploy, index = folder / "deploy", folder / "index"
    deploy.mkdir(parents=True)
    index.mkdir()
    shutil.copy(ROOT / "deploy" / "run.py", deploy)
    (deploy / "__init__.py").touch()
    (deploy / "prefect_server").mkdir()
    (deploy / "prefect_server" / "embedded_child.py").write_text(_MAKE_TEMPLATE)
    (folder / "backend.py").write_text(_BACKEND)
    (folder / "cli.py").write_text(_CLI)
    (folder / "pyproject.toml").write_text(_PROJECT)
    wheel = index / "wares-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("wares.py", "")
        archive.writestr(
            "wares-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: wares\nVersion: 1\n"
        )
        archive.writestr(
            "wares-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("wares-1.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (deploy / "requirements.lock").write_text(f"wares==1 \\\n    --hash=sha256:{digest}\n")
    return folder


def _environment(project: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    inherited.pop("WSUS_AIRGAP_VENV", None)
    # No other index is asked, whatever this machine's pip is set up with.
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project / "index")}
    return {**inherited, **settings, "PIP_CONFIG_FILE": os.devnull}


def _start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(project / "deploy" / "run.py"), *arguments],
        env=_environment(project), stdin=subprocess.DEVNULL, text=True, cwd=project.parent,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=os.name == "posix",
    )  # fmt: skip


def _run(project: Path, *arguments: str) -> tuple[int, str, str]:
    child = _start(project, *arguments)
    out, err = child.communicate(timeout=120)
    return child.returncode, out, err


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose environment two calls at once have made."""
    folder = _lay_out(tmp_path_factory.mktemp("run") / "clone")
    calls = [_start(folder, "first"), _start(folder, "second")]
    answers = [call.communicate(timeout=120) for call in calls]

    assert [call.returncode for call in calls] == [3, 3], answers
    assert sum("making" in err for _, err in answers) == 1
    assert '"first"' in answers[0][0]
    assert '"second"' in answers[1][0]
    return folder


def test_a_command_is_handed_over_with_its_arguments_and_its_exit_code(project: Path) -> None:
    code, out, err = _run(project, "export", "--site", "a b.toml")

    assert (code, err) == (3, "")
    assert '["export", "--site", "a b.toml"]' in out
    assert str(project / ".venv") in out
    assert (project / ".venv" / "template").exists()


def test_a_second_call_adds_under_a_second(project: Path) -> None:
    def seconds(command: list[str]) -> float:
        began = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        return time.perf_counter() - began

    direct = [str(project / ".venv" / "bin" / "wsus-airgap")]
    launched = [sys.executable, str(project / "deploy" / "run.py")]
    added = min(seconds(launched) for _ in range(3)) - min(seconds(direct) for _ in range(3))

    assert added < 1


def test_a_package_that_was_taken_out_by_hand_is_put_back(project: Path) -> None:
    libraries = next((project / ".venv").rglob("site-packages"))
    shutil.rmtree(libraries / "wares-1.dist-info")
    (libraries / "wares.py").unlink()

    code, _, err = _run(project)

    assert code == 3, err
    assert (libraries / "wares.py").exists()


def test_an_interpreter_that_is_gone_is_healed(project: Path) -> None:
    for python in (project / ".venv" / "bin").glob("python*"):
        python.unlink()

    code, _, err = _run(project)

    assert code == 3, err


def test_a_changed_lock_is_installed_and_a_wrong_hash_refused(project: Path) -> None:
    lock = project / "deploy" / "requirements.lock"
    right = lock.read_text()
    lock.write_text("wares==1 --hash=sha256:" + "0" * 64 + "\n")
    (project / ".venv" / "wsus-airgap-install.log").unlink()
    # What is installed is not looked at again by pip, so the wrong bytes must be fetched.
    shutil.rmtree(next((project / ".venv").rglob("wares-1.dist-info")))

    code, out, err = _run(project)

    assert (code, out) == (1, "")
    assert "is not the one that the lock names" in err
    assert "Traceback" not in err
    lock.write_text(right)
    assert _run(project)[0] == 3


def test_an_index_that_cannot_be_reached_is_said_with_what_to_do(project: Path) -> None:
    lock = project / "deploy" / "requirements.lock"
    right = lock.read_text()
    lock.write_text("absent==9 --hash=sha256:" + "0" * 64 + "\n")

    code, _, err = _run(project)

    assert code == 1
    assert "the folder of wheels lacks absent==9" in err
    assert f"this is Python {sys.version.split()[0]}" in err
    assert "Traceback" not in err
    lock.write_text(right)
    assert _run(project)[0] == 3


@pytest.mark.skipif(os.name != "posix", reason="kills a process group")
def test_an_install_killed_half_way_is_begun_anew(tmp_path: Path) -> None:
    project = _lay_out(tmp_path / "clone")
    killed = _start(project)
    under_way = project / ".venv" / "wsus-airgap-install-under-way"
    limit = time.monotonic() + 60
    while not under_way.exists() and time.monotonic() < limit:
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    (project / ".venv" / "half-made").touch()

    code, _, err = _run(project)

    assert code == 3, err
    assert "making" in err
    assert not (project / ".venv" / "half-made").exists()
    assert not under_way.exists()


def test_an_environment_elsewhere_is_used_when_it_is_named(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "environment"
    (tmp_path / "blocked").write_text("")
    command = [sys.executable, str(project / "deploy" / "run.py")]
    environment = {**_environment(project), "WSUS_AIRGAP_VENV": str(tmp_path / "blocked" / "x")}
    refused = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    environment["WSUS_AIRGAP_VENV"] = str(elsewhere)
    made = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    assert refused.returncode == 1
    assert "WSUS_AIRGAP_VENV" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert made.returncode == 3
    assert str(elsewhere) in made.stdout
