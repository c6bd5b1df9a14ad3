"""Kill an export and an import within each step, go on in four ways, and compare the ends.

    python -m tests.e2e.matrix [--home FOLDER] [--stage NAME…] [--way NAME…] [--every N]

The ways to go on: ``again`` (the same command), ``upgraded`` (the same command of a later
version), ``page`` (a run of a deployment whose process is killed is retried), ``worker`` (the
worker is killed with it, then the run is retried). Every outcome is compared with the undisturbed
run as in ``tests.e2e.killing``. A served run tells of its steps with a delay, so that it may be
killed within a later one, which is printed, or too late, which counts for nothing. With
``--every 3`` every third trial is made. What is done stands in FOLDER, one line a trial, and is not
done again. 1 when any trial differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.states import AwaitingRetry

from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.settings import clean_environment
from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.version import VERSION
from tests.e2e.forked_commands import Command
from tests.e2e.forked_servers import launcher
from tests.e2e.kill_trials import Range, prepare, put_back
from tests.e2e.killing import Ended, observe
from tests.support.labs import ROOT
from tests.support.prefect_api import client_of, logged
from tests.support.serving import ended, start, up

STAGES = ("export", "import")
WAYS = ("again", "upgraded", "page", "worker")
LATER = "0.1.99"
_STEP_SECONDS = 120.0
# What a worker says of the end of its flow would overwrite a retry that comes before it.
_WORKER_SECONDS = 20.0


def main(words: Sequence[str]) -> int:
    """Go through the matrix and print a line a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--stage", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--way", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args(words)
    home: Path = (given.home or Path(tempfile.mkdtemp(prefix="wsus-airgap-matrix-"))).absolute()
    home.mkdir(parents=True, exist_ok=True)
    log = home / "trials.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    os.environ.update(clean_environment(home / "prefect", os.environ))
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    with launcher(home), EmbeddedServer(home / "prefect", auth=False) as server:
        server.wait_ready()
        ranges = prepare(home, api_url=server.api_url, wanted=set(given.stage))
        cells = [(each, step, way) for each in ranges for way in given.way for step in each.steps]
        for number, (where, step, way) in enumerate(cells):
            cell = [where.stage, step, way]
            if number % given.every or cell in [trial["cell"] for trial in done]:
                continue
            trial = {"cell": cell, **_TRIALS[way](where, step, home)}
            done.append(trial)
            with log.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(trial) + "\n")
            print(
                *cell, "killed within", trial["within"], trial["differences"] or "same", flush=True
            )
    differing = [trial["cell"] for trial in done if trial["differences"]]
    late = sum("too_late" in trial for trial in done)
    print(f"{len(done)} trials, {late} too late, {len(differing)} differ: {differing}; {home}")
    return 1 if differing else 0


def _again(where: Range, step: str, home: Path) -> dict[str, Any]:
    return _typed(where, step, lambda: Command.start(where.made, where.words).finish())


def _upgraded(where: Range, step: str, home: Path) -> dict[str, Any]:
    later = home / "later"
    if not later.exists():
        for name in ("flows", "tasks", "deploy"):
            shutil.copytree(ROOT / name, later / name)
        version = later / "tasks" / "version.py"
        version.write_text(version.read_text().replace(f'"{VERSION}"', f'"{LATER}"'))

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


def _page(where: Range, step: str, home: Path) -> dict[str, Any]:
    return _served(where, step, home, with_worker=False)


def _worker(where: Range, step: str, home: Path) -> dict[str, Any]:
    return _served(where, step, home, with_worker=True)


_TRIALS: dict[str, Callable[[Range, str, Path], dict[str, Any]]] = {
    "again": _again,
    "upgraded": _upgraded,
    "page": _page,
    "worker": _worker,
}


def _served(where: Range, step: str, home: Path, *, with_worker: bool) -> dict[str, Any]:
    """Kill the process of a served run as a step begins, and retry the run."""
    _put_back(where)
    side, command, *arguments = where.words
    parameters = {"bundles": arguments} if command == "import" else {}
    state = where.made.folder / side / "state"
    with (
        up(where.made.site_file(side), home / f"up-{side}") as served,
        client_of(str(where.api_url)) as client,
    ):
        _hasten_logs(client, f"{command}/alpha")
        run = start(client, f"{command}/alpha", **parameters).id
        give_up = time.monotonic() + _STEP_SECONDS
        while step not in logged(str(where.api_url), run) and time.monotonic() < give_up:
            time.sleep(0.05)
        said = [line for line in logged(str(where.api_url), run) if line in where.steps]
        owner = _owner(state)
        if owner is None:
            return {"within": said[-1], "differences": [], "too_late": True}
        victims = [psutil.Process(owner)]
        if with_worker:
            children = psutil.Process(served.process.pid).children()
            victims += [one for one in children if "worker_child" in " ".join(one.cmdline())]
        for victim in reversed(victims):
            victim.kill()
        _require_crashed(client, run, with_worker=with_worker)
        client.set_flow_run_state(run, AwaitingRetry(), force=True)
        time.sleep(1)
        last = ended(client, run)
    newest = max((state / "reports").glob("*/report.json"), key=lambda path: path.stat().st_mtime)
    document = json.loads(newest.read_text(encoding="utf-8"))
    differences = _differences(where, Ended(document["exit_code"], document, 0.0))
    if last.state is None or not last.state.is_completed():
        differences.append(f"Prefect shows {last.state}")
    return {"within": said[-1] if said else None, "differences": differences}


def _hasten_logs(client: SyncPrefectClient, deployment: str) -> None:
    """Have the flow send its lines at once, by which it is seen where it is."""
    served = client.read_deployment_by_name(deployment)
    variables = dict(served.job_variables or {})
    interval = {"PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.05"}
    variables["env"] = {**variables.get("env", {}), **interval}
    client.update_deployment(served.id, DeploymentUpdate(job_variables=variables))


def _require_crashed(client: SyncPrefectClient, run: Any, *, with_worker: bool) -> None:
    """Wait until the run is shown as crashed, by its worker too if that lives to say so."""
    give_up = time.monotonic() + _WORKER_SECONDS
    while True:
        state = ended(client, run).state
        assert state is not None
        assert state.is_crashed(), state
        if with_worker or "infrastructure" in str(state.message) or time.monotonic() > give_up:
            return
        time.sleep(0.5)


def _owner(state: Path) -> int | None:
    """The process of the run that works; None if it has ended by now."""
    with Ledger(state) as ledger:
        records = Runs(ledger).without_end()
    owners = [record.owner.pid for record in records if record.owner is not None]
    return owners[0] if owners else None


def _put_back(where: Range) -> None:
    put_back(where.copy, where.made.folder)
    for side in ("staging", "disconnected"):
        where.made.configure(side, "prefect", api_url=where.api_url)


def _differences(where: Range, last: Ended) -> list[str]:
    outcome = observe(where.made.folder, last, where.reference)
    sealed = json.loads(json.dumps(outcome.sealed).replace(LATER, VERSION))
    found = where.reference.differences(replace(outcome, sealed=sealed))
    return found + ([last.stderr[-1_000:]] if last.exit_code not in {0, 2} else [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
