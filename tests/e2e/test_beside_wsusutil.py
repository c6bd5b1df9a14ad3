"""Nothing is started, stopped or changed beside a wsusutil that works on the server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.lab.rules import windows
from tests.support.labs import ROOT, Lab, Result, make_lab, run_here

RUN = r"\d{8}T\d{6}Z-(?:export|import)-[0-9a-f]{6}"
KIND = "wsusutil-running"
SINCE = r"is still working since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("beside")
        made = make_lab(folder / "lab", api_url=shared_api, updates=20, content_bytes=500_000)
        made.export()
        yield made


def wait_until(is_so: Callable[[], object]) -> None:
    limit = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < limit
        time.sleep(0.05)


def working(lab: Lab, side: str) -> list[windows.ProcessRow]:
    """The server's own process list, as far as it is about wsusutil."""
    with lab.server(side) as server:
        return windows.processes(server)


def service(lab: Lab, side: str) -> str:
    with lab.server(side) as server:
        return str(server.setting("service_status"))


@contextmanager
def hanging(lab: Lab, side: str) -> Iterator[None]:
    """Have wsusutil hang on this side; afterwards it goes on and comes to its end."""
    lab.fault(side, "wsusutil-hang")
    try:
        yield
    finally:
        lab.fault(side, "wsusutil-hang", on=False)
        wait_until(lambda: not working(lab, side))


@contextmanager
def by_hand(lab: Lab, side: str, tmp_path: Path) -> Iterator[int]:
    """An administrator's wsusutil that hangs, with the import's service stopped; its process id."""
    words = ["export", str(tmp_path / "own.xml.gz"), str(tmp_path / "own.log")]
    if side == "disconnected":
        package = tmp_path / "by hand.xml.gz"
        package.write_bytes(b"no package")
        words = ["import", str(package)]
    with hanging(lab, side):
        process = subprocess.Popen(
            [lab.folder / side / "wsusutil", *words], stdout=subprocess.DEVNULL
        )
        wait_until(lambda: working(lab, side))
        if side == "disconnected":
            wait_until(lambda: service(lab, side) == "Stopped")
        yield process.pid
    process.wait(60)


def stop_beside(lab: Lab, side: str, *words: str | Path, by: int) -> dict[str, Any]:
    """Start a command, end it while its wsusutil works, and give its document."""
    with lab.start(side, *words) as process:
        wait_until(lambda: working(lab, side) or process.poll() is not None)
        if side == "disconnected":
            wait_until(lambda: service(lab, side) == "Stopped")
        time.sleep(0.5)  # by now it waits for it
        process.send_signal(by)
        stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr, stderr
    document: dict[str, Any] = json.loads(stdout)
    return document


def names_its_job(document: dict[str, Any], verb: str) -> str:
    """See that the end of a stopped run names the wsusutil that goes on; gives the run's id."""
    (error,) = document["errors"]
    assert (document["exit_code"], error["kind"]) == (1, "interrupted")
    said = re.search(rf"wsusutil {verb} of run ({RUN}) of site alpha {SINCE}", error["message"])
    assert said, error
    assert document["run"] == said[1]
    assert "it waits for that wsusutil and goes on" in error["next_step"].replace(": ", " ")
    report = json.loads(Path(document["report"]).with_suffix(".json").read_text(encoding="utf-8"))
    assert report["errors"] == document["errors"]
    return said[1]


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 4, result.explain()
    assert result.error["kind"] == KIND, result.explain()
    assert re.search(SINCE, result.error["message"]), result.explain()
    for word in words:
        assert word in result.error["message"]
    assert "leave WsusService alone" in result.error["next_step"]


def first_of_status(lab: Lab, side: str) -> str:
    result = lab.run(side, "status", expect=0)
    assert "leave WsusService alone" in result.stderr
    return str(result.document["lines"][0])


def refused_for_another_site(lab: Lab, side: str, words: str) -> None:
    """See that a site beta on the same server refuses, in the same work folder and in its own."""
    for work_dir in ("work", "work-of-beta"):
        text = lab.site_file(side).read_text(encoding="utf-8")
        for key, value in (
            ("name", "beta"),
            ("state_dir", f"state-{work_dir}"),
            ("path", str(lab.folder / "media-of-beta")),
            ("work_dir", str(lab.folder / side / "server" / work_dir)),
        ):
            text = re.sub(rf'(?m)^{key} = ".*"', f'{key} = "{value}"', text)
        (lab.folder / "media-of-beta").mkdir(exist_ok=True)
        site = lab.folder / side / "beta.toml"
        site.write_text(text, encoding="utf-8")
        command = {"staging": "export", "disconnected": "audit"}[side]
        refused(run_here(command, "--site", str(site), "--json"), words)
        status = run_here("status", "--site", str(site), "--json", expect=0)
        assert words in status.document["lines"][0]


def finish_waiting(lab: Lab, side: str, *words: str | Path) -> dict[str, Any]:
    """Start the command that goes on from the job; it waits, and ends when the job does."""
    with lab.start(side, *words) as process:
        assert process.stderr is not None
        seen = ""
        for line in process.stderr:
            seen += line
            if "waits for it and goes on from there" in line:
                break
        assert re.search(SINCE, seen), seen
        assert process.poll() is None
        lab.fault(side, "wsusutil-hang", on=False)
        stdout, stderr = process.communicate(timeout=120)
    document: dict[str, Any] = json.loads(stdout)
    assert document["exit_code"] in {0, 2}, seen + stderr
    return document


def test_beside_an_interrupted_import_nothing_changes_and_its_own_command_waits(lab: Lab) -> None:
    bundle = lab.bundle(1)
    with hanging(lab, "disconnected"):
        run = names_its_job(
            stop_beside(lab, "disconnected", "import", bundle, by=signal.SIGTERM), "import"
        )
        (process,) = working(lab, "disconnected")
        before = lab.snapshot("disconnected")

        refused(lab.run("disconnected", "audit"), f"wsusutil import of run {run} of site alpha")
        verified = lab.run("disconnected", "verify", bundle, expect=0)
        assert f"wsusutil import of run {run}" in verified.document["lines"][0]
        told = first_of_status(lab, "disconnected")
        assert f"wsusutil import of run {run}" in told
        assert "WSUS is not queried beside it" in told

        refused_for_another_site(lab, "disconnected", f"import of run {run} of site alpha")

        assert service(lab, "disconnected") == "Stopped"
        assert working(lab, "disconnected") == [process]
        assert lab.snapshot("disconnected") == before

        finish_waiting(lab, "disconnected", "import", bundle)
    assert service(lab, "disconnected") == "Running"
    assert "no wsusutil" in lab.run("disconnected", "status", expect=0).document["lines"][0]


def test_beside_an_interrupted_export_only_what_reads_goes_on(lab: Lab) -> None:
    receipts = lab.folder / "return"
    if not list(receipts.iterdir()):
        lab.import_(1)
    with hanging(lab, "staging"):
        run = names_its_job(
            stop_beside(lab, "staging", "export", "--new", by=signal.SIGINT), "export"
        )
        (receipt,) = receipts.iterdir()
        accepted = lab.accept(str(receipt), expect=0)
        assert f"wsusutil export of run {run}" in accepted.document["lines"][0]
        assert f"wsusutil export of run {run}" in first_of_status(lab, "staging")
        refused_for_another_site(lab, "staging", f"export of run {run} of site alpha")
        assert len(working(lab, "staging")) == 1
        made = finish_waiting(lab, "staging", "export", "--new")
        assert len(list((lab.folder / "media").glob("alpha-*"))) == made["sequence"]


def test_an_administrators_wsusutil_is_named_and_not_waited_for(lab: Lab, tmp_path: Path) -> None:
    with by_hand(lab, "staging", tmp_path) as process_id:
        named = f"not ours (process {process_id}:"
        for asked in (["export"], ["catalog-import", str(uuid4())]):
            refused(lab.run("staging", *asked), named, "own.xml.gz")
        assert f"not ours (process {process_id}:" in first_of_status(lab, "staging")
    with by_hand(lab, "disconnected", tmp_path) as process_id:
        named = f"a wsusutil that is not ours (process {process_id}:"
        before = lab.snapshot("disconnected")
        for words in (["audit"], ["import", lab.bundle(1)], ["restore-deleted", "alpha-1"]):
            refused(lab.run("disconnected", *words), named, 'import "', "by hand.xml.gz")
        assert named in first_of_status(lab, "disconnected")
        lab.run("disconnected", "verify", lab.bundle(1), expect=0)
        assert service(lab, "disconnected") == "Stopped"
        assert lab.snapshot("disconnected") == before
    assert service(lab, "disconnected") == "Running"


@pytest.mark.parametrize(
    ("side", "script", "words", "call"),
    [
        ("disconnected", "read-server", ("audit",), 1),  # then the service is found stopped
        ("disconnected", "read-approvals", ("import",), 1),  # then the first change would come
        ("disconnected", "read-approvals", ("import",), 2),  # then approvals would be applied
        ("staging", "read-approvals", ("export", "--new"), 1),  # then ours would be started
    ],
)
def test_one_that_begins_after_the_first_look_is_seen_before_anything_is_done(
    lab: Lab, tmp_path: Path, *, side: str, script: str, words: tuple[str, ...], call: int
) -> None:
    """The administrator starts it while our script runs: what comes next looks again."""
    given: list[str | Path] = [*words]
    if words == ("import",):
        if call == 1:
            lab.advance()
        given.append(Path(lab.export().document["bundle"]))
    own, verb = lab.folder / side / "wsusutil", "export"
    arguments = f"{tmp_path}/own.xml.gz {tmp_path}/own.log"
    if words == ("audit",):
        verb, arguments = "import", f"{tmp_path}/own.xml.gz"
        (tmp_path / "own.xml.gz").write_bytes(b"no package")
    hang = "from pathlib import Path; from deploy import lab; "
    hang += f'lab.set_fault(Path("{lab.folder}"), "{side}", "wsusutil-hang", True)'
    wrapper = tmp_path / "powershell"
    stopped = "Stopped" if verb == "import" else "Running"
    wrapper.write_text(
        f'#!/bin/sh\n{lab.folder / side / "powershell"} "$@"\ncode=$?\n'
        f'echo "$*" >>{tmp_path}/scripts\n'
        f'case "$*" in *{script}.ps1*) echo >>{tmp_path}/calls\n'
        f'if [ "$(wc -l <{tmp_path}/calls)" -eq {call} ]; then\n'
        f"  PYTHONPATH={ROOT} {sys.executable} -c '{hang}'\n"
        f"  setsid {own} {verb} {arguments} </dev/null >/dev/null 2>&1 &\n"
        f"  until grep -lsa {tmp_path}/own.xml.gz /proc/[0-9]*/cmdline"
        " | xargs -r grep -lsa deploy.lab.wsusutil | grep -q .; do sleep 0.1; done\nfi;; esac\n"
        "exit $code\n"
    )
    wrapper.chmod(0o755)
    lab.configure(side, "server", powershell=[str(wrapper)])
    if words == ("audit",):
        with lab.server(side) as server:  # so that the first look at the API needs the service
            windows.stop_service(server)
    before = lab.snapshot(side)
    try:
        refused(lab.run(side, *given), "not ours", "own.xml.gz")
        assert len(working(lab, side)) == 1
        assert service(lab, side) == stopped
        # In the second case the metadata were loaded, and WSUS approves new revisions by itself.
        assert "apply-approvals" not in (tmp_path / "scripts").read_text()
        assert call == 2 or lab.snapshot(side) == before
    finally:
        lab.fault(side, "wsusutil-hang", on=False)
        wait_until(lambda: not working(lab, side))
        lab.configure(side, "server", powershell=[str(lab.folder / side / "powershell")])
