"""Commands that begin at once: each is a fork of a process that has imported the product before.

Importing Prefect takes most of the time of a small command. For a kill, a fork is a process like
any other: it has its own number, session, files and children.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.e2e.forked_servers import LAUNCHER
from tests.e2e.killing import Ended
from tests.support.labs import ROOT, Lab

_COMMAND_SECONDS = 600.0
_STEP = re.compile(r"\d\d:\d\d:\d\d  ([A-Z][^,:.]+)")
_FLOWS = ("export_bundle", "import_bundle", "accept_receipt", "audit_content", "verify_bundle")

_forks = multiprocessing.get_context("forkserver")
# Prefect imports most of these only when a run begins.
_forks.set_forkserver_preload(
    ["flows.command_line", *(f"flows.{name}" for name in _FLOWS), "deploy.prefect_server.embedded",
     "prefect.flow_engine", "prefect.task_engine", "fastapi", "anyio._backends._asyncio",
     "tests.e2e.kill_trials"]
)  # fmt: skip


@dataclass(slots=True)
class Command:
    """A command under way, with what it says.

    Attributes:
        began: The monotonic clock when it was started.
        stderr: Its lines until now.
    """

    process: ForkServerProcess
    began: float
    output: Path
    stderr: list[str] = field(default_factory=list)
    _lines: queue.SimpleQueue[tuple[float, str] | None] = field(default_factory=queue.SimpleQueue)

    @classmethod
    def start(cls, made: Lab, words: tuple[str, ...]) -> Command:
        """Start a command of a side, in that side's folder."""
        side, *command = words
        output = made.folder.parent / "stdout"
        reader, writer = _forks.Pipe(duplex=False)
        process = _forks.Process(
            target=_carry_out,
            args=([*command, "--site", str(made.site_file(side)), "--json"],),
            kwargs={
                "environment": {**os.environ, "PYTHONPATH": str(ROOT)},
                "folder": made.folder / side,
                "output": output,
                "errors": writer,
                "interpreter": made.folder.with_name(LAUNCHER),
            },
        )
        process.start()
        writer.close()
        running = cls(process, time.monotonic(), output)
        threading.Thread(target=running._listen, args=(reader,), daemon=True).start()
        return running

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_over(self) -> bool:
        """True once the process has ended."""
        return self.process.exitcode is not None

    @property
    def step(self) -> str | None:
        """The step that began last."""
        return next((step for line in reversed(self.stderr) if (step := _step_of(line))), None)

    def steps(self) -> Iterator[tuple[float, str]]:
        """Yield each step as it begins, with the seconds since the start."""
        while (entry := self._lines.get()) is not None:
            if step := _step_of(entry[1]):
                yield entry[0], step
        self._lines.put(None)

    def finish(self) -> Ended:
        """Wait for the end, and for all that was said until then."""
        self.process.join(_COMMAND_SECONDS)
        code = self.process.exitcode
        assert code is not None, "".join(self.stderr)
        seconds = time.monotonic() - self.began
        for _ in self.steps():
            pass
        text = self.output.read_text(encoding="utf-8").strip() if self.output.exists() else ""
        document = json.loads(text) if text and code >= 0 else None
        return Ended(code, document, seconds, "".join(self.stderr))

    def _listen(self, reader: Connection) -> None:
        with os.fdopen(os.dup(reader.fileno()), encoding="utf-8") as lines:
            reader.close()
            for line in lines:
                self.stderr.append(line)
                self._lines.put((time.monotonic() - self.began, line))
        self._lines.put(None)


def _carry_out(
    words: list[str],
    *,
    environment: dict[str, str],
    folder: Path,
    output: Path,
    errors: Connection,
    interpreter: Path,
) -> None:
    """Become the command, in the forked process."""
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with output.open("w") as stdout, Path(os.devnull).open() as stdin:
        os.dup2(stdin.fileno(), 0)
        os.dup2(stdout.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    errors.close()
    sys.argv = ["wsus-airgap", *words]
    if interpreter.exists():
        sys.executable = str(interpreter)
    from flows.command_line import main

    main()


def _step_of(line: str) -> str | None:
    """The step that a line on stderr begins; what a step found out has digits or a colon."""
    match = _STEP.fullmatch(line.strip())
    return match[1] if match else None
