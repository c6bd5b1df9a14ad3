"""Labs for tests of whole commands: a pair of simulated servers, and ways to run a command on it.

Fixtures live here and are named in ``tests/conftest.py`` (the Prefect server, which the tests of
steps and flows use too) and ``tests/e2e/conftest.py``. All commands of a session share one
Prefect server, which the labs' site files name; a test of the embedded one makes its lab with
``make_lab`` and no ``api_url``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy import lab
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server
from deploy.prefect_server.embedded import EmbeddedServer
from tests.support.forked_powershell import forked_powershell, use_forks

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = {"WSUS_LAB_POWERSHELL": "stand-in"}
SIDES = ("staging", "disconnected")
_FORKS: list[Path] = []  # the address of this session's forked PowerShell, once there is one


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. ``document`` is what ``--json`` printed, empty without it."""

    exit_code: int
    document: dict[str, Any]
    stdout: str
    stderr: str

    @property
    def error(self) -> dict[str, str]:
        """The first error of the document."""
        found: dict[str, str] = self.document["errors"][0]
        return found

    def explain(self) -> str:
        return f"exit {self.exit_code}\n{self.document.get('errors')}\n{self.stderr[-3000:]}"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab as tests handle it."""

    folder: Path

    # --- commands ------------------------------------------------------------------------------

    def run(self, side: str, *words: str | Path, expect: int | None = None) -> Result:
        """Run a command with ``--json`` in this process: the whole command line, quickly."""
        given = [*map(str, words), "--site", str(self.site_file(side)), "--json"]
        return run_here(*given, expect=expect)

    def run_command(
        self,
        side: str,
        *words: str | Path,
        expect: int | None = None,
        variables: Mapping[str, str] | None = None,
        timeout_seconds: float = 180,
    ) -> Result:
        """Run a command with ``--json`` as a process of its own, in the side's folder."""
        with self.start(side, *words, variables=variables) as process:
            stdout, stderr = process.communicate(timeout=timeout_seconds)
        return _judge(process.returncode, stdout, stderr, expect)

    def start(
        self,
        side: str,
        *words: str | Path,
        variables: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> subprocess.Popen[str]:
        """Start a command with ``--json`` as a process of its own and return at once.

        Args:
            side: The side.
            words: The command.
            variables: Variables of its environment beside ours.
            under: A tracer that starts it, with its options.
        """
        return subprocess.Popen(
            [*under, sys.executable, "-m", "flows.command_line", *map(str, words), "--json"],
            cwd=self.folder / side,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def export(self, *words: str, expect: int | None = None) -> Result:
        """Export; without a code to expect, the bundle must have been made."""
        result = self.run("staging", "export", *words, expect=expect)
        assert expect is not None or result.exit_code in {0, 2}, result.explain()
        return result

    def import_(self, bundle: int | Path, *words: str, expect: int | None = None) -> Result:
        return self.run("disconnected", "import", self.bundle(bundle), *words, expect=expect)

    def accept(self, receipt: str, expect: int | None = None) -> Result:
        return self.run("staging", "accept", receipt, expect=expect)

    def cross(self, *words: str) -> Result:
        """Export and import; whatever the import found wrong is for the test to say."""
        exported = self.export(*words)
        imported = self.import_(Path(exported.document["bundle"]))
        assert imported.exit_code in {0, 2}, imported.explain()
        return imported

    # --- what lies where -----------------------------------------------------------------------

    def site_file(self, side: str) -> Path:
        return self.folder / side / "site.toml"

    def bundle(self, which: int | Path) -> Path:
        return self.folder / "media" / f"alpha-{which}" if isinstance(which, int) else which

    def content_dir(self, side: str) -> Path:
        return self.folder / side / "WsusContent"

    def content(self, side: str, name: str) -> Path:
        """A content file by its name: ``<SHA-1>.<extension>``."""
        return self.content_dir(side) / name[38:40].upper() / name

    def work(self, side: str) -> Path:
        """Our folder on that side's server."""
        return self.folder / side / "server" / "work"

    def bytes_of(self, side: str) -> dict[str, str]:
        """Every file of WsusContent and the SHA-256 of its bytes, read from the disk now."""
        return digests_below(self.content_dir(side))

    # --- the servers, by the lab's own means ------------------------------------------------------

    def state(self, side: str) -> dict[str, Any]:
        return lab.state(self.folder, side)

    def snapshot(self, side: str) -> dict[str, Any]:
        """All that may not change when a command refuses: server state and bytes of content.

        The states of files are left out: they change by themselves, as the content agent runs.
        """
        state = self.state(side)
        return {
            **state,
            "files": [(file["name"], file["size_bytes"]) for file in state["files"]],
            "bytes": self.bytes_of(side),
        }

    @contextlib.contextmanager
    def server(self, side: str) -> Iterator[Server]:
        """The simulated server itself, for what an administrator does on it."""
        server = open_server(self.folder / side)
        try:
            yield server
        finally:
            server.close()

    def fault(self, side: str, name: str, *, on: bool = True) -> None:
        lab.set_fault(self.folder, side, name, on)

    def tune(self, side: str, name: str, value: object) -> None:
        lab.tune(self.folder, side, name, value)

    def advance(self) -> None:
        lab.advance(self.folder)

    # --- the site file --------------------------------------------------------------------------

    def configure(self, side: str, table: str, **keys: object) -> None:
        """Set keys of a table of a side's site file; None removes a key."""
        path = self.site_file(side)
        text = path.read_text(encoding="utf-8")
        if f"[{table}]" not in text:
            text += f"\n[{table}]\n"
        for key, value in keys.items():
            # JSON's strings, numbers, booleans and lists are TOML's too.
            line = f"{key} = {json.dumps(value)}"
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
            if value is not None:
                text = text.replace(f"[{table}]\n", f"[{table}]\n{line}\n", 1)
        path.write_text(text, encoding="utf-8")


def run_here(*words: str, expect: int | None = None) -> Result:
    """Run the command line in this process, with what it prints taken down."""
    from flows.command_line import run

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        exit_code = run(list(words))
    return _judge(exit_code, out.getvalue(), err.getvalue(), expect)


def make_lab(
    folder: Path, *, api_url: str | None = None, is_forked: bool = True, **options: Any
) -> Lab:
    """Make a lab whose commands use the API that is named, or each its own embedded server.

    With the shared API its stand-in is forked, unless it is to be the lab's own program.
    """
    lab.create(folder, **{"updates": 40, "content_bytes": 4_000_000, **options})
    made = Lab(folder)
    if api_url is not None and is_forked and _FORKS:
        for side in SIDES:
            use_forks(folder / side, _FORKS[-1])
    if api_url is not None:
        for side in SIDES:
            made.configure(side, "prefect", api_url=api_url)
            # A service of the lab comes up at once or never.
            made.configure(side, "server", service_wait_seconds=2)
    return made


def digests_below(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its path from there, and the SHA-256 of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def equal_servers(made: Lab, *, apart_from: Result | None = None) -> None:
    """See, by the lab's own state and bytes, that the disconnected server holds what staging does.

    Args:
        made: The lab.
        apart_from: The import whose parked and held decisions may be missing there.
    """
    ours, theirs = made.state("staging"), made.state("disconnected")
    assert theirs["revisions"] == ours["revisions"]
    staging, disconnected = made.bytes_of("staging"), made.bytes_of("disconnected")
    assert {name: disconnected.get(name) for name in staging} == staging
    waiting = _waiting(apart_from)
    for kind in ("approvals", "declines"):
        wanted = {line for line in map(decision, ours[kind]) if line not in waiting}
        assert set(map(decision, theirs[kind])) - waiting == wanted


def decision(line: Mapping[str, Any]) -> str:
    """An approval or decline of ``lab state`` or of a report as one comparable text."""
    keys: tuple[str, ...] = ("update_id", "revision")
    if line.get("action") is not None:
        keys = (*keys, "group", "action", "deadline", "optional")
    return json.dumps([line[key] for key in keys])


def _waiting(result: Result | None) -> set[str]:
    approvals = result.document["approvals"] if result is not None else {}
    return {decision(line) for state in ("parked", "held") for line in approvals.get(state, ())}


def _judge(exit_code: int, stdout: str, stderr: str, expect: int | None) -> Result:
    document = json.loads(stdout)
    result = Result(exit_code, document, stdout, stderr)
    assert "Traceback" not in stdout + stderr, stdout + stderr
    if expect is not None:
        assert exit_code == expect, result.explain()
    return result


# --- fixtures -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of one Prefect API for all commands of a session; their labs fork the stand-in."""
    home = tmp_path_factory.mktemp("prefect")
    with forked_powershell(home) as address, EmbeddedServer(home, auth=False) as server:
        _FORKS.append(address)
        server.wait_ready()
        yield server.api_url


@pytest.fixture(scope="session")
def forked_scripts(shared_api: str) -> Path:
    """The address of the process whose forks answer scripts, for labs that are made otherwise."""
    return _FORKS[-1]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the labs' servers answer scripts without a PowerShell engine: ten times as fast."""
    for name, value in STAND_IN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def small_lab(tmp_path: Path, shared_api: str, stand_in: None) -> Lab:
    """A fresh lab of 40 updates and 4 MB, on the shared API, answered by the stand-in."""
    return make_lab(tmp_path / "lab", api_url=shared_api)
