"""People are told of what matters, once, and whatever goes wrong with it changes no outcome."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tasks.announcements import sending
from tasks.announcements.metrics import write_metrics
from tasks.announcements.notify import announce_crash, announce_end, announce_lateness
from tasks.announcements.occasion import Message, message_of
from tasks.announcements.sending import send
from tasks.content.names import Blake3
from tasks.errors import DiskFullError, SiteFileError, StoppedError
from tasks.ledger.imports import ImportRecord, Imports
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.refusals import TamperError
from tasks.reports.model import ApprovalLine, ApprovalOutcome, CommandReport, failure_report
from tasks.site.reading import read_site
from tasks.site.settings import Site
from tests.support.bundles import NOW
from tests.support.runs import write_site_file

PASSWORD = "hunter2"


class Receiver:
    """A service that takes notifications, or is silent for as long as it is told."""

    def __init__(self) -> None:
        received: list[dict[str, Any]] = []
        delay_seconds = [0.0]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append(json.loads(self.rfile.read(length)))
                time.sleep(delay_seconds[0])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.received, self.delay_seconds = received, delay_seconds
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://me:{PASSWORD}@127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def titles(self) -> list[str]:
        return [str(message["title"]) for message in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    service = Receiver()
    yield service
    service.close()


@pytest.fixture
def site(tmp_path: Path, receiver: Receiver) -> Site:
    """A disconnected side that tells the receiver of everything."""
    path = write_site_file(tmp_path, side="disconnected")
    notify = f'\n[notify]\nurls = ["{receiver.url}"]\n'
    path.write_text(path.read_text(encoding="utf-8") + notify, encoding="utf-8")
    return read_site(path)


def tell(site: Site, report: CommandReport) -> None:
    with Ledger(site.state_dir) as ledger:
        announce_end(site, ledger, report, now=NOW)


def flagged(*updates: str) -> CommandReport:
    """An import that parked approvals of these updates."""
    parked = tuple(ApprovalLine(update, 1, ("All Computers",), "Install") for update in updates)
    return CommandReport(
        command="import",
        site="alpha",
        exit_code=2,
        run="run-7",
        approvals=ApprovalOutcome(parked=parked),
        notices=("a secret title of an update",),
    )


def test_failures_and_refusals_are_told_with_counts_and_nothing_of_content(
    site: Site, receiver: Receiver
) -> None:
    refusal = TamperError(path="/media/alpha-1", expected="a", found="b")

    tell(site, failure_report("import", refusal, site="alpha"))

    (message,) = receiver.received
    assert message["title"] == "wsus-airgap: alpha import was refused"
    assert message["message"] == "Run import, exit code 3. Kind of error: tamper."
    assert "media" not in json.dumps(message)
    body = message_of(flagged("a", "b"), "flagged-new").body
    assert body == "Run run-7, exit code 2. 2 approvals are parked. 1 notice."


def test_flagged_is_told_only_while_it_is_news(site: Site, receiver: Receiver) -> None:
    for report in (flagged("a"), flagged("a"), flagged("a", "b"), flagged("b"), flagged("a", "b")):
        tell(site, report)

    assert len(receiver.received) == 3  # the first, b, and a again after it had gone


def test_a_run_that_did_its_work_or_was_stopped_tells_nobody(
    site: Site, receiver: Receiver
) -> None:
    tell(site, CommandReport(command="import", site="alpha"))
    tell(site, failure_report("import", StoppedError(command="import"), site="alpha"))

    assert receiver.received == []


def test_lateness_is_told_once_for_each_bundle(site: Site, receiver: Receiver) -> None:
    def bring(sequence: int) -> None:
        digest = Blake3(bytes([sequence]) * 32)
        record = ImportRecord(
            header_digest=digest,
            sequence=sequence,
            status="begun",
            folder=site.state_dir,
            created=NOW,
            begun=NOW,
            done=None,
            outcome=None,
        )
        with Ledger(site.state_dir) as ledger:
            Imports(ledger).begin(record)
            Imports(ledger).finish(digest, outcome="complete", now=NOW)

    announce_lateness(site, now=NOW)  # nothing was ever imported
    bring(1)
    for days in (45, 46, 47):
        announce_lateness(site, now=NOW + timedelta(days=days))
    bring(2)
    announce_lateness(site, now=NOW + timedelta(days=46))

    assert receiver.titles() == ["wsus-airgap: alpha no new bundle came"] * 2
    assert "alpha-1, is 46 days old; the limit is 45" in receiver.received[0]["message"]


def test_a_crash_is_told(site: Site, receiver: Receiver) -> None:
    announce_crash(site, RunRecord(id="run-9", command="import", started=NOW))

    assert receiver.titles() == ["wsus-airgap: alpha import crashed"]


def test_a_receiver_that_hangs_is_given_up(
    site: Site,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sending, "SEND_SECONDS", 0.5)
    receiver.delay_seconds[0] = 300

    with caplog.at_level(logging.WARNING, "wsus_airgap"):
        tell(site, failure_report("import", DiskFullError(path="/x"), site="alpha"))

    assert "a notification was given up after 0.5 seconds" in caplog.text


def test_a_password_is_never_shown(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dead = [f"json://me:{PASSWORD}@127.0.0.1:9", f"nonsense-{PASSWORD}", f"{PASSWORD}://x"]

    with caplog.at_level(logging.DEBUG):
        assert not send(Message("t", "b"), dead)

    assert "could not be sent to: address 1 (json), address 2 (Apprise" in caplog.text
    shown = caplog.text + repr(site) + str(site) + site.model_dump_json()
    path = tmp_path / "site.toml"
    for wrong in (f'"mailto://me:{PASSWORD}@x"', f'[["{PASSWORD}"]]'):
        text = path.read_text(encoding="utf-8").partition("urls = ")[0] + f"urls = {wrong}\n"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SiteFileError) as caught:
            read_site(path)
        shown += caught.value.message
    assert PASSWORD not in shown


def test_addresses_with_passwords_lie_in_a_file_of_this_account(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "urls"
    secret.write_text("# the relay\n\njson://127.0.0.1:9\n", encoding="utf-8")
    secret.chmod(0o644)
    path = tmp_path / "site.toml"
    path.write_text(path.read_text(encoding="utf-8") + 'urls_file = "urls"\n', encoding="utf-8")

    with pytest.raises(SiteFileError, match="open to other accounts; chmod 600"):
        read_site(path)
    secret.chmod(0o600)
    assert read_site(path).notify.addresses()[1:] == ("json://127.0.0.1:9",)


def test_the_metrics_say_last_success_age_missing_parked_and_held(site: Site) -> None:
    with Ledger(site.state_dir) as ledger:
        for number, code in ((1, 2), (2, 3)):
            ended = NOW + timedelta(hours=number)
            run = RunRecord(
                id=f"r{number}", command="import", started=ended, ended=ended, exit_code=code
            )
            Runs(ledger).write(run)
        ledger.remember_missing(7)

        path = write_metrics(site, ledger, now=NOW + timedelta(days=1))

    lines = path.read_text(encoding="utf-8").splitlines()
    labels = 'side="disconnected",site="alpha"'
    first = (NOW + timedelta(hours=1)).timestamp()
    success = f'wsus_airgap_last_success_timestamp_seconds{{command="import",{labels}}} '
    assert [float(line.removeprefix(success)) for line in lines if line.startswith(success)] == [
        first
    ]
    assert f'wsus_airgap_last_exit_code{{command="import",{labels}}} 3.0' in lines
    for name, value in (("missing_files", 7), ("parked_approvals", 0), ("held_decisions", 0)):
        assert f"wsus_airgap_{name}{{{labels}}} {value}.0" in lines
