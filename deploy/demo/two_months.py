"""The demo: the crossings of two months between two simulated servers, through the real flows.

It builds the lab, runs the flows of the product on one Prefect server, and at the end compares
both servers by the state that the lab reports. Everything it prints was observed.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deploy import lab
from deploy.lab import pair
from deploy.lab.powershell.launcher import answering_engine
from deploy.prefect_server.connection import prefect_for
from deploy.prefect_server.embedded import EmbeddedServer
from tasks.errors import FailedError
from tasks.quantities import count, size
from tasks.reports.model import ApprovalLine, CommandReport
from tasks.reports.terminal import print_lines
from tasks.site.reading import register_site
from tasks.visible import visible

if TYPE_CHECKING:
    from prefect import Flow, State

_SSHD_SECONDS = 30.0
_APPROVAL = {"update_id", "revision", "group", "action", "deadline", "optional"}
_DECLINE = {"update_id", "revision"}


def run_demo(folder: Path | None, *, ssh: bool, ui: bool, as_json: bool) -> CommandReport | int:
    """Build the lab in ``folder`` and make the crossings of two months from end to end.

    Args:
        folder: An empty or new folder; None makes a temporary one. It stays afterwards.
        ssh: Reach both servers over an sshd on loopback.
        ui: Keep the Prefect server running, print its URL last, and wait for an interrupt.
        as_json: Print progress on stderr, so that stdout stays free for the caller's JSON.

    Returns:
        The report; for people with ``ui`` the exit code, because everything is printed already.

    Raises:
        LabError: The folder is not empty, or ``ssh`` was asked for and there is no sshd.
        FailedError: The sshd did not start.
    """
    if ssh:
        lab.require_sshd()
    root = (folder or Path(tempfile.mkdtemp(prefix="wsus-airgap-demo-"))).absolute()
    out = sys.stderr if as_json else sys.stdout
    lab.create(root)
    demo = _Demo(root, out)
    demo.say(f"Lab: {root}")
    demo.say(f"PowerShell: {answering_engine() or 'no engine; the stand-in answers'}")
    with _sshd(root) if ssh else _nothing(), prefect_for(root, ui=ui) as server:
        demo.site_file = "site-ssh.toml" if ssh else "site.toml"
        demo.cross("First month")
        lab.advance(root)
        demo.cross("Second month")
        demo.compare()
        report = demo.report()
        if ui and isinstance(server, EmbeddedServer):
            demo.say(f"\nThe lab stays in {root}. Ctrl-C ends the pages.")
            demo.say("Whoever has this address can start runs; treat it as a password:")
            demo.say(server.ui_url)
            _stay()
            again = f"wsus-airgap up --site {root / 'disconnected' / 'site.toml'}"
            print_lines([visible(f"Closed. Pages that can start runs: {again}")], sys.stderr)
            return report if as_json else report.exit_code
    return report


class _Demo:
    """The state of a running demo: the reports and problems so far."""

    def __init__(self, root: Path, out: TextIO) -> None:
        self.root = root
        self.out = out
        self.site_file = "site.toml"
        self.reports: list[CommandReport] = []
        self.problems: list[str] = []

    def say(self, line: str) -> None:
        """Print a line without delay."""
        print_lines([visible(part) for part in line.split("\n")], self.out)

    def cross(self, title: str) -> None:
        """Make one crossing: export, verify, import, accept."""
        # Prefect is imported once its settings are in force.
        from flows.accept_receipt import accept_receipt
        from flows.export_bundle import export_bundle
        from flows.import_bundle import import_bundle
        from flows.verify_bundle import verify_bundle

        began = time.monotonic()
        self.say(f"\n{title}")
        exported = self.run("export", "staging", export_bundle)
        bundles = [str(exported.bundle)]
        self.say(
            f"  exported   {exported.bundle}: {exported.files} files, {size(exported.bytes or 0)}"
            f" carried; base: {exported.base or 'none'}"
        )
        verified = self.run("verify", "disconnected", verify_bundle, bundles=bundles)
        self.say(f"  verified   {verified.files} files against the seal: {verified.outcome}")
        imported = self.run("import", "disconnected", import_bundle, bundles=bundles)
        self.tell_import(imported)
        accepted = self.run("accept", "staging", accept_receipt, receipt=str(imported.receipt))
        self.say(f"  receipt    {imported.receipt} carried back: {accepted.outcome}")
        self.say(f"  took {time.monotonic() - began:.0f} seconds")
        self.judge(title, exported, verified, imported, accepted)

    def run(
        self, command: str, side: str, flow: Flow[..., State[CommandReport]], **parameters: object
    ) -> CommandReport:
        """Run one flow on one side."""
        from tasks.flow_run import report_of

        site = register_site(self.root / side / self.site_file)
        report = report_of(flow, site=site.name, **parameters)
        self.reports.append(report)
        for error in report.errors:
            self.problems.append(f"{command}: {error.message}")
        return report

    def tell_import(self, report: CommandReport) -> None:
        """Print the results of an import: placed, imported, approved, waiting and missing."""
        approvals = report.approvals
        loaded = report.details.get("revisions")
        self.say(f"  placed     {report.placed} content files")
        self.say(f"  imported   {loaded} revisions, those of categories and detectoids included")
        if approvals is not None:
            self.say(
                f"  approvals  {len(approvals.applied)} applied now, {len(approvals.failed)} failed"
                f"; waiting: {len(approvals.parked)} parked, {len(approvals.held)} held"
            )
        self.say(f"  missing    {count(len(report.missing or ()), 'file')} of approved updates")
        for file in report.missing or ():
            self.say(f"             {file.title}: {file.file} ({file.reason.value})")
        self.say(f"  report     {report.report}")

    def judge(self, title: str, *reports: CommandReport) -> None:
        """Note every result that differs from the one the lab was built to give."""
        exported, verified, imported, accepted = reports
        first = title == "First month"
        expected_missing = 0 if first else 1
        for report in (exported, imported):
            updates = {file.update_id for file in report.missing or ()}
            if len(updates) != expected_missing:
                self.problems.append(
                    f"{title}: {report.command} found {len(updates)} updates without content, "
                    f"expected {expected_missing}"
                )
        for report in (verified, accepted):
            if report.outcome != "done":
                self.problems.append(f"{title}: {report.command} ended {report.outcome}")
        if imported.approvals is None or imported.approvals.failed:
            self.problems.append(f"{title}: approvals failed")

    def compare(self) -> None:
        """Compare the states of both servers, apart from approvals that an import left waiting."""
        staging, disconnected = (lab.state(self.root, side) for side in pair.SIDES)
        waiting = _waiting(self.last_import)
        self.say("\nBoth servers as they stand, staging / disconnected")
        for name, kind in (
            ("revisions", "of updates and bundled children"),
            ("approvals", ""),
            ("declines", ""),
        ):
            on_staging, on_disconnected = (
                {_key(entry) for entry in state[name]} for state in (staging, disconnected)
            )
            self.say(f"  {name:<9}  {len(on_staging)} / {len(on_disconnected)} {kind}".rstrip())
            lacking = on_staging - on_disconnected
            states = [waiting[key] for key in lacking if key in waiting]
            if states:
                counts = ", ".join(f"{states.count(state)} {state}" for state in sorted({*states}))
                self.say(f"             not there yet: {counts}")
            # The disconnected server may have approvals of its own.
            is_extra = name != "approvals" and on_disconnected - on_staging
            if len(states) < len(lacking) or is_extra:
                self.problems.append(f"the servers' {name} differ")
        self._compare_content()
        for problem in self.problems:
            self.say(f"  PROBLEM    {problem}")

    def _compare_content(self) -> None:
        sent, received = (_content(self.root, side) for side in pair.SIDES)
        same, extra = sent.items() & received.items(), received.keys() - sent.keys()
        self.say(
            f"  content    {len(sent)} / {len(received)} files: {len(same)} the same to the byte"
        )
        if extra:
            self.say(f"             gone from staging since: {len(extra)}")
        if len(same) < len(sent):
            self.problems.append(f"{count(len(sent) - len(same), 'content file')} did not come")

    @property
    def last_import(self) -> CommandReport:
        """The report of the second month's import."""
        return next(report for report in reversed(self.reports) if report.command == "import")

    def report(self) -> CommandReport:
        """The demo's own report: done if every result is the one the lab was built to give."""
        last = self.last_import
        return CommandReport(
            command="demo",
            site=last.site,
            exit_code=1 if self.problems else 0,
            report=last.report,
            missing=last.missing,
            details={"lab": str(self.root), "problems": list(self.problems)},
            lines=(
                ("both crossings ended as the lab was made to end",)
                if not self.problems
                else tuple(self.problems)
            ),
            next_step=f"Open {last.report}; then `cd {self.root / 'staging'}` and "
            "`wsus-airgap status`.",
        )


def _key(decision: Mapping[str, Any]) -> str:
    return repr(sorted(decision.items()))


def _waiting(report: CommandReport) -> dict[str, str]:
    """Approvals that an import left waiting: from the key of a decision to parked or held."""

    def key(line: ApprovalLine) -> str:
        names = _DECLINE if line.action is None else _APPROVAL
        fields = asdict(line) | {"group": list(line.group)}
        return _key({name: fields[name] for name in names})

    approvals = report.approvals
    if approvals is None:
        return {}
    parked = {key(line): "parked" for line in approvals.parked}
    return parked | {key(line): "held" for line in approvals.held}


def _content(root: Path, side: str) -> dict[str, str]:
    """The SHA-256 of every file in a side's WsusContent, by its path in that folder."""
    folder = root / side / "WsusContent"
    digests = {}
    for path in folder.glob("??/*"):
        if path.is_file():
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            digests[path.relative_to(folder).as_posix()] = digest
    return digests


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _sshd(root: Path) -> Iterator[None]:
    """Run ``lab serve`` as a process of its own while the demo runs.

    Raises:
        FailedError: The process ended, or a side did not answer in time.
    """
    command = [sys.executable, "-m", "flows.command_line", "lab", "serve", str(root)]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
        text=True,
    ) as server:
        give_up = time.monotonic() + _SSHD_SECONDS
        ready = [root / side / "site-ssh.toml" for side in pair.SIDES]
        while not all(path.is_file() for path in ready):
            if server.poll() is not None or time.monotonic() > give_up:
                output = server.stderr.read() if server.poll() is not None and server.stderr else ""
                server.terminate()
                raise FailedError(reason=f"the lab's sshd did not start: {_first_error(output)}")
            time.sleep(0.1)
        try:
            yield
        finally:
            server.terminate()


def _first_error(output: str) -> str:
    """The error line in the output of a failed command."""
    lines = output.strip().splitlines() or [f"no answer within {_SSHD_SECONDS:.0f} seconds"]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines)[0]


def _stay() -> None:
    """Wait for SIGINT or SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
