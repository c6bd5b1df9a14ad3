"""Kill an export and an import within each step, go on in four ways, and compare the ends.

    python -m tests.e2e.matrix [--home FOLDER] [--stage NAME…] [--way NAME…] [--every N] [--most N]

The ways to go on: ``again`` (the same command), ``upgraded`` (the same command of a later
version), ``page`` (a run of a deployment whose process is killed is retried), ``worker`` (the
worker is killed with it, then the run is retried). Every outcome is compared with the undisturbed
run as in ``tests.e2e.killing``. A typed command tells of its steps with a delay, so that it may be
killed within a later one, which is printed. With ``--every 3`` every third trial is made. What is
done stands in FOLDER, one line a trial, and is not done again. 1 when any trial differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.states import AwaitingRetry

from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.settings import clean_environment
from tasks.lost_runs import close_lost_runs
from tasks.site.reading import read_site
from tasks.version import VERSION
from tests.e2e.forked_commands import Command
from tests.e2e.forked_servers import launcher
from tests.e2e.kill_many import prepared
from tests.e2e.kill_trials import Range, put_back
from tests.e2e.killing import Ended, observe
from tests.support.forked_powershell import forked_powershell
from tests.support.labs import ROOT
from tests.support.later_version import LATER, make_later_version
from tests.support.prefect_api import client_of
from tests.support.serving import ended, start, up

STAGES = ("export", "import")
WAYS = ("again", "upgraded", "page", "worker")
_STEP_SECONDS = 120.0
Trial = Callable[[Range, str, Path], dict[str, Any]]
_TRAP = """
import logging, os, pathlib, signal

folder = pathlib.Path({folder!r})


class Trap(logging.Filter):
    def filter(self, record):
        trap = folder / "step"
        if trap.exists() and record.getMessage() == trap.read_text():
            trap.unlink()
            if (folder / "worker").exists():
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return True


logging.getLogger("wsus_airgap").addFilter(Trap())
"""
# What a worker says of the end of its flow would overwrite a retry that comes before it.
_WORKER_SECONDS = 20.0


def main(words: Sequence[str]) -> int:
    """Go through the matrix and print a line a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--stage", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--way", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--most", type=int, default=1_000, help="trials of this call")
    given = parser.parse_args(words)
    home: Path = (given.home or Path(tempfile.mkdtemp(prefix="wsus-airgap-matrix-"))).absolute()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "trials.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    before = len(done)
    os.environ.update(clean_environment(home / "prefect", os.environ))
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    forks = home / "forks"
    forks.mkdir(exist_ok=True)
    with (
        launcher(home),
        forked_powershell(forks) as forked,
        EmbeddedServer(home / "prefect", auth=False) as server,
        Served(home) as served,
    ):
        server.wait_ready()
        trials: dict[str, Trial] = {
            "again": _again,
            "upgraded": upgraded,
            "page": served.page,
            "worker": served.worker,
        }
        ranges = prepared(home, server.api_url, given.stage, forked=forked)
        cells = [(each, step, way) for each in ranges for way in given.way for step in each.steps]
        for number, (where, step, way) in enumerate(cells):
            cell = [where.stage, step, way]
            if number % given.every or cell in [trial["cell"] for trial in done]:
                continue
            if len(done) - before == given.most:
                break
            trial = {"cell": cell, **trials[way](where, step, home)}
            done.append(trial)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(trial) + "\n")
            print(
                *cell, "killed within", trial["within"], trial["differences"] or "same", flush=True
            )
    differing = [trial["cell"] for trial in done if trial["differences"]]
    print(f"{len(done)} trials, {len(differing)} differ: {differing}; {home}")
    return 1 if differing else 0


def _again(where: Range, step: str, home: Path) -> dict[str, Any]:
    return _typed(where, step, lambda: Command.start(where.made, where.words).finish())


def upgraded(where: Range, step: str, home: Path) -> dict[str, Any]:
    """Kill a typed command as a step begins, and go on with a later version."""
    later = make_later_version(home / "later")

    def go_on() -> Ended:
        side, *command = where.words
        call = [sys.executable, "-m", "flows.command_line", *command, "--json"]
        environment = {**os.environ, "PYTHONPATH": str(later)}
        folder = where.made.folder / side
        said = subprocess.run(
            call, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        return Ended(said.returncode, json.loads(said.stdout), 0.0, said.stderr)

    return _typed(where, step, go_on)


def _typed(where: Range, step: str, go_on: Callable[[], Ended]) -> dict[str, Any]:
    """Kill a typed command as a step begins, and go on."""
    _put_back(where)
    running = Command.start(where.made, where.words)
    for _, name in running.steps():
        if name == step:
            break
    psutil.Process(running.pid).kill()
    running.finish()
    return {"within": running.step, "differences": _differences(where, go_on())}


class Served:
    """The ``up`` of a side, whose runs are killed as a step begins, by a trap in their own process.

    The runs of a deployment get a ``sitecustomize`` that waits for the line of the step in our log.
    So the kill comes at the very beginning of the step, as that of a typed command does not.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._traps = home / "traps"
        self._traps.mkdir(exist_ok=True)
        (self._traps / "sitecustomize.py").write_text(_TRAP.format(folder=str(self._traps)))
        self._open = ExitStack()
        self._stage: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def page(self, where: Range, step: str, _: Path) -> dict[str, Any]:
        """Kill the process of the run; its worker sees it. Then the run is retried."""
        return self._trial(where, step, with_worker=False)

    def worker(self, where: Range, step: str, _: Path) -> dict[str, Any]:
        """Kill the worker with it; ``up`` sees both. Then the run is retried."""
        # A worker that is killed again and again is started again ever later.
        self._stage = None
        return self._trial(where, step, with_worker=True)

    def _trial(self, where: Range, step: str, *, with_worker: bool) -> dict[str, Any]:
        side, command, *arguments = where.words
        parameters = {"bundles": arguments} if command == "import" else {}
        self._serve(where)
        _put_back(where, beside=self._up.process.pid)
        with client_of(str(where.api_url)) as client:
            self._set_traps(client, f"{command}/alpha", step, with_worker=with_worker)
            run = start(client, f"{command}/alpha", **parameters).id
            self._wait_for_trap(client, run)
            if with_worker:  # the next round of ``up``, made at once
                close_lost_runs(read_site(where.made.site_file(side)))
            _require_crashed(client, run, with_worker=with_worker)
            client.set_flow_run_state(run, AwaitingRetry(), force=True)
            _wait_until(lambda: client.read_flow_run(run).run_count > 1, "it is not retried")
            last = ended(client, run)
        reports = where.made.folder / side / "state" / "reports"
        newest = max(reports.glob("*/report.json"), key=lambda path: path.stat().st_mtime)
        document = json.loads(newest.read_text(encoding="utf-8"))
        differences = _differences(where, Ended(document["exit_code"], document, 0.0))
        if last.state is None or not last.state.is_completed():
            differences.append(f"Prefect shows {last.state}")
        return {"within": step, "differences": differences}

    def _serve(self, where: Range) -> None:
        """Have the side of a stage served; the lab may be put back under it meanwhile."""
        if self._stage == where.stage:
            return
        self._open.close()
        _put_back(where)
        side = where.words[0]
        self._up = self._open.enter_context(
            up(where.made.site_file(side), self._home / f"up-{side}")
        )
        self._stage = where.stage

    def _set_traps(
        self, client: SyncPrefectClient, deployment: str, step: str, *, with_worker: bool
    ) -> None:
        """Have the next run of the deployment killed as the step begins."""
        (self._traps / "step").write_text(step)
        (self._traps / "worker").unlink(missing_ok=True)
        if with_worker:
            (self._traps / "worker").touch()
        served = client.read_deployment_by_name(deployment)
        variables = dict(served.job_variables or {})
        path = {"PYTHONPATH": f"{self._traps}{os.pathsep}{ROOT}"}
        variables["env"] = {**variables.get("env", {}), **path}
        client.update_deployment(served.id, DeploymentUpdate(job_variables=variables))

    def _wait_for_trap(self, client: SyncPrefectClient, run: UUID) -> None:
        trap = self._traps / "step"

        def is_sprung() -> bool:
            state = client.read_flow_run(run).state
            assert state is None or state.is_crashed() or not state.is_final(), state
            return not trap.exists()

        _wait_until(is_sprung, "the step did not begin")


def _wait_until(is_so: Callable[[], bool], complaint: str) -> None:
    give_up = time.monotonic() + _STEP_SECONDS
    while not is_so():
        assert time.monotonic() < give_up, complaint
        time.sleep(0.2)


def _require_crashed(client: SyncPrefectClient, run: UUID, *, with_worker: bool) -> None:
    """Wait until the run is shown as crashed, by its worker too if that lives to say so."""
    give_up = time.monotonic() + _WORKER_SECONDS
    while True:
        state = ended(client, run).state
        assert state is not None
        assert state.is_crashed(), state
        if with_worker or "infrastructure" in str(state.message) or time.monotonic() > give_up:
            return
        time.sleep(0.2)


def _put_back(where: Range, *, beside: int | None = None) -> None:
    put_back(where.copy, where.made.folder, beside=beside)
    for side in ("staging", "disconnected"):
        where.made.configure(side, "prefect", api_url=where.api_url)


def _differences(where: Range, last: Ended) -> list[str]:
    outcome = observe(where.made.folder, last, where.reference)
    sealed = json.loads(json.dumps(outcome.sealed).replace(LATER, VERSION))
    found = where.reference.differences(replace(outcome, sealed=sealed))
    return found + ([last.stderr[-1_000:]] if last.exit_code not in {0, 2} else [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
