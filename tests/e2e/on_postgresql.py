"""Try ``up`` on a PostgreSQL server that this program makes, starts and removes.

    python -m tests.e2e.on_postgresql

Needs ``initdb`` and ``pg_ctl`` on the PATH or below /usr/lib/postgresql. As root the server runs as
the account ``nobody``, because PostgreSQL refuses root. It ends with 0 when a served export was
done, and a second start still knew the run.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import lab
from deploy.prefect_server.machine import MACHINE_FILE, open_home
from tests.support.labs import STAND_IN
from tests.support.serving import ended, start, up

_PASSWORD = "try-it"


def main() -> int:
    """Run the trial and print what it saw."""
    with tempfile.TemporaryDirectory(prefix="wsus-airgap-postgresql-") as scratch:
        folder = Path(scratch)
        lab.create(folder / "lab", updates=12, content_bytes=500_000)
        site, home = folder / "lab" / "staging" / "site.toml", folder / "home"
        with postgresql(folder / "database") as url:
            machine = open_home(home).machine
            (home / MACHINE_FILE).write_text(f'port = {machine.port}\ndatabase_url = "{url}"\n')
            with up(site, home, variables=STAND_IN) as first, first.client() as client:
                run = ended(client, start(client, "export/alpha").id)
            with up(site, home, variables=STAND_IN) as second, second.client() as client:
                again = client.read_flow_run(run.id)
        print(f"export on PostgreSQL: {run.state_name}; after a restart: {again.state_name}")
        print(f"a SQLite file was made: {(home / 'prefect.db').exists()}")
        is_sound = run.state is not None and run.state.is_completed() and again.id == run.id
        return 0 if is_sound and not (home / "prefect.db").exists() else 1


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Make and run a server with a database for us; give its address for Prefect."""
    folder.mkdir()
    data, words = folder / "data", folder / "password"
    words.write_text(_PASSWORD)
    words.chmod(0o644)
    if os.geteuid() == 0:
        for path in (folder, folder.parent):
            path.chmod(0o755)
        shutil.chown(folder, "nobody")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _run("initdb", "-D", data, "-U", "wsus", "-A", "scram-sha-256", f"--pwfile={words}")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _run("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql+asyncpg://wsus:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        _run("pg_ctl", "-D", data, "-m", "immediate", "stop")


def _run(program: str, *words: str | Path) -> None:
    path = shutil.which(program) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))), None
    )
    if path is None:
        sys.exit(f"{program} is not installed")
    account = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run(
        [*account, path, *map(str, words)],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())
