"""Play a month through in Prefect's pages, in headless Chromium against ``up``, with pictures.

    python -m tests.e2e.play_through FOLDER [PLAY…]

Needs root (a disk that fills up) and Chromium. One lab, one ``up`` of the disconnected side, every
button pressed in the page itself. The plays, in this order: ``schedules``, ``disk``, ``gate``,
``cancel``, ``crash``, ``worker``. FOLDER gets a picture of each moment at which a person looks. It
ends with 0 when every play came out as it has to.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.schedules import SLUG
from deploy.prefect_server.settings import clean_environment
from deploy.prefect_server.up import pages_of
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tests.e2e.test_beside_wsusutil import hanging, working
from tests.e2e.test_served import count_starts, disk, leave_names, starts
from tests.support.browser import Page, browser
from tests.support.labs import Lab, make_lab
from tests.support.serving import Up, start, up

_LONG_SECONDS = 400.0
_NAMES_LEFT = 1_300
_LINES = """
[schedule]
audit = { cron = "0 5 * * 0" }
"""


class Play:
    """A lab, the pages of its disconnected side, and pictures of them."""

    def __init__(self, lab: Lab, pictures: Path, profile: Path) -> None:
        self.lab = lab
        self.site = lab.site_file("disconnected")
        self.state_dir = pictures / "state"
        self._pictures, self._profile = pictures, profile

    @contextmanager
    def pages(self) -> Iterator[Play]:
        """Serve, with a browser that is logged in."""
        home = self._pictures / "up"
        with up(self.site, home) as self.served, browser(self._profile) as self.page:
            self.page.open(pages_of(self.served.home))
            self.page.wait_for("Dashboard", seconds=_LONG_SECONDS)
            with self.served.client() as self.client:
                yield self

    served: Up
    page: Page
    client: SyncPrefectClient

    def picture(self, name: str) -> None:
        number = len([*self._pictures.glob("*.png")]) + 1
        time.sleep(3)  # what is drawn on a canvas comes last
        self.page.picture(self._pictures / f"{number:02}-{name}.png")
        print(f"  {number:02}-{name}.png", flush=True)

    def show_run(self, run: UUID) -> None:
        self.page.open(f"{self.served.home.address}/runs/flow-run/{run}")
        self.page.wait_for("Task Runs", seconds=60)

    def show_deployment(self, name: str) -> None:
        found = self.client.read_deployment_by_name(name)
        self.page.open(f"{self.served.home.address}/deployments/deployment/{found.id}")
        self.page.wait_for("Schedules", seconds=60)

    def press(self, words: str, *, inside: str = "body") -> None:
        """Press a button that says this, once it is there."""
        script = (
            f"(() => {{ const all = [...document.querySelectorAll('{inside} button')];"
            f"const it = all.reverse().find(e => e.innerText.trim() === {json.dumps(words)});"
            "if (it) it.click(); return Boolean(it) })()"
        )
        self.until(lambda: self.page.evaluate(script), f"no button {words!r}")

    def until(
        self, is_so: Callable[[], Any], complaint: str, *, seconds: float = _LONG_SECONDS
    ) -> Any:
        give_up = time.monotonic() + seconds
        while not (found := is_so()):
            assert time.monotonic() < give_up, f"{complaint}\n{self.page.text[-1500:]}"
            time.sleep(0.3)
        return found

    def state(self, run: UUID, *names: str) -> FlowRun:
        """Wait until a run is in one of these states."""

        def found() -> FlowRun | None:
            current = self.client.read_flow_run(run)
            return current if current.state and current.state.name in names else None

        time.sleep(2)  # what was pressed is on its way
        self.page.open("about:blank")  # a page that draws a run at work takes a whole processor
        try:
            return self.until(found, f"{run} is not {names}")  # type: ignore[no-any-return]
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.client.read_flow_run(run).state}") from error

    def retry(self, run: UUID, picture: str) -> None:
        """Press *Retry* on the page of a run that is shown; it comes to a good end."""
        self.press("Retry")
        self.press("Retry", inside=".p-modal")
        self.until(lambda: self.client.read_flow_run(run).run_count > 1, "it is not retried")
        self.end(run, picture)

    def end(self, run: UUID, picture: str) -> None:
        """Wait for the good end of a run, and show it."""
        self.state(run, "Completed", "Flagged")
        self.show_run(run)
        self.picture(picture)

    def toggle(self, deployment: str) -> None:
        """Switch the only schedule of a deployment off, on its page."""
        self.show_deployment(deployment)
        self.page.evaluate("document.querySelector('.p-toggle__control').click()")
        self.until(lambda: not any(_active(self, deployment).values()), "it is not paused")

    @contextmanager
    def in_mid_wsusutil(self) -> Iterator[UUID]:
        """Have an import of the next month at work in a wsusutil that goes on after the block."""
        number = self.next_bundle()
        with hanging(self.lab, "disconnected"):
            run = self.import_(number)
            self.until(lambda: working(self.lab, "disconnected"), "wsusutil does not begin")
            yield run

    def import_(self, number: int) -> UUID:
        return start(self.client, "import/alpha", bundles=[str(self.lab.bundle(number))]).id

    def records(self) -> list[RunRecord]:
        with Ledger(self.state_dir) as ledger:
            return Runs(ledger).newest(50)

    def next_bundle(self, *words: str) -> int:
        """A month passes, and its bundle comes."""
        self.lab.advance()
        return int(self.lab.export(*words).document["sequence"])


def schedules(play: Play) -> None:
    """Set in the page, paused there, removed from the file; right after two restarts; one fires."""
    bare = play.site.read_text(encoding="utf-8")
    play.site.write_text(bare + _LINES, encoding="utf-8")
    with play.pages():
        play.show_deployment("check/alpha")
        play.press("Schedule")
        play.press("Cron", inside=".p-modal")
        play.picture("schedule-form")
        play.press("Save", inside=".p-modal")
        play.page.wait_for("Every minute")
        play.picture("schedule-set")
        play.toggle("audit/alpha")
        play.picture("schedule-paused")
    with play.pages():
        assert _active(play, "audit/alpha") == {SLUG: False}
        assert list(_active(play, "check/alpha").values()) == [True]
        fired = play.until(lambda: _fired(play), "no scheduled run ended")
        play.show_run(fired)
        play.picture("schedule-fired")
        play.toggle("check/alpha")
    play.site.write_text(bare, encoding="utf-8")
    with play.pages():
        assert _active(play, "audit/alpha") == {}
        assert list(_active(play, "check/alpha").values()) == [False]
        play.show_deployment("audit/alpha")
        play.picture("schedule-removed")


def _active(play: Play, name: str) -> dict[str | None, bool]:
    deployment = play.client.read_deployment_by_name(name)
    found = play.client.read_deployment_schedules(deployment.id)
    return {schedule.slug: schedule.active for schedule in found}


def _fired(play: Play) -> UUID | None:
    for run in play.client.read_flow_runs():
        if run.auto_scheduled and run.state is not None and run.state.is_final():
            return run.id
    return None


def full_disk(play: Play) -> None:
    """An import fails on a full disk; its retry from the page does only what is left."""
    folder = play.lab.folder / "disconnected"
    with play.pages():
        leave_names(folder, _NAMES_LEFT)
        run = play.import_(1)
        play.state(run, "Failed")
        play.show_run(run)
        play.picture("disk-full")
        intake = play.lab.work("disconnected") / "intake"
        before = {path.name: path.stat().st_ino for path in intake.rglob("*.*")}
        leave_names(folder, 100_000)
        play.retry(run, "disk-retried")
        content = play.lab.content_dir("disconnected")
        after = {path.name: path.stat().st_ino for path in content.rglob("*.*")}
        kept = [name for name in before if after.get(name) == before[name]]
        print(f"  {len(kept)} of {len(before)} files of the first try were used")
        assert kept
        assert starts(play.lab, "disconnected") == ["import"]


def gate(play: Play) -> None:
    """A mirror import waits in a form, is refused once and confirmed once."""
    receipt = max((play.lab.folder / "return").glob("*.receipt.json"))
    play.lab.accept(str(receipt))
    number = play.next_bundle("--mode", "mirror")
    with play.pages():
        for decision, end in (("refuse", ("Refused",)), ("confirm", ("Completed", "Flagged"))):
            run = play.import_(number)
            play.state(run, "Suspended")
            play.show_run(run)
            play.picture(f"gate-{decision}-waits")
            play.press("Resume")
            play.page.wait_for("digest", "reason", "name")
            form = play.page.evaluate("document.querySelector('.p-modal').innerText")
            digest = re.search(r"\b[0-9a-f]{64}\b", form)
            play.picture(f"gate-{decision}-form")
            assert digest is not None, form
            _fill(play, decision, digest[0])
            play.picture(f"gate-{decision}-filled")
            play.press("Submit", inside=".p-modal")
            play.state(run, *end)
            play.show_run(run)
            play.picture(f"gate-{decision}-ended")


_CHOOSE = (
    "(() => {{ const it = document.querySelector('.p-modal select'); it.value = '{0}';"
    "it.dispatchEvent(new Event('input')); it.dispatchEvent(new Event('change')) }})()"
)
_FIELDS = "[...document.querySelectorAll('.p-modal textarea')]"


def _fill(play: Play, decision: str, digest: str) -> None:
    play.page.evaluate(_CHOOSE.format(decision))
    for number, text in enumerate((digest, "read, and agreed with the shift", "A. Person")):
        play.page.evaluate(f"{_FIELDS}[{number}].focus()")
        play.page.insert(text)


def cancel(play: Play) -> None:
    """A run is cancelled in mid-wsusutil, and the next one waits for it."""
    with play.pages():
        with play.in_mid_wsusutil() as run:
            play.show_run(run)
            play.picture("cancel-before")
            play.press("Cancel")
            play.press("Confirm", inside=".p-modal")
            play.state(run, "Cancelled")
            play.show_run(run)
            play.picture("cancel-after")
            waits = start(play.client, "audit/alpha").id
            play.state(waits, "Waiting")
            play.show_run(waits)
            play.picture("cancel-next-waits")
        play.end(waits, "cancel-next-ended")
        play.show_run(run)
        play.retry(run, "cancel-retried")


def crash(play: Play) -> None:
    """Worker and flow killed together show Crashed within five minutes; the retry finishes."""
    with play.pages():
        with play.in_mid_wsusutil() as run:
            killed = time.monotonic()
            for process in (_worker(play), psutil.Process(_owner(play))):
                process.kill()
            play.state(run, "Crashed")
            seconds = time.monotonic() - killed
            print(f"  Crashed after {seconds:.0f} s")
            assert seconds < 300
            play.show_run(run)
            play.picture("crash")
        play.retry(run, "crash-retried")


def worker(play: Play) -> None:
    """The worker alone is killed: the run shows its true end, and nothing works beside it."""
    with play.pages():
        with play.in_mid_wsusutil() as run:
            before = len(play.records())
            _worker(play).kill()
            time.sleep(75)  # the worker is there again, and `up` has looked at its runs
            assert len(play.records()) == before, "a second run works beside it"
            play.show_run(run)
            play.picture("worker-killed")
        play.end(run, "worker-ended")
        assert len(play.records()) == before
        play.page.open(f"{play.served.home.address}/runs")
        play.page.wait_for("alpha")
        play.picture("all-runs")


def _worker(play: Play) -> psutil.Process:
    children = psutil.Process(play.served.process.pid).children()
    (found,) = [child for child in children if "worker_child" in " ".join(child.cmdline())]
    return found


def _owner(play: Play) -> int:
    with Ledger(play.state_dir) as ledger:
        (record,) = Runs(ledger).without_end()
    assert record.owner is not None
    return record.owner.pid


PLAYS: dict[str, Callable[[Play], None]] = {
    "schedules": schedules,
    "disk": full_disk,
    "gate": gate,
    "cancel": cancel,
    "crash": crash,
    "worker": worker,
}


def main(words: Sequence[str]) -> int:
    """Play, and say of each play how it came out."""
    home, names = Path(words[0]).absolute(), words[1:] or list(PLAYS)
    home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WSUS_LAB_POWERSHELL", "stand-in")
    os.environ.update(clean_environment(home / "commands", os.environ))
    failed = []
    with EmbeddedServer(home / "prefect", auth=False) as server:
        server.wait_ready()
        lab = make_lab(home / "lab", updates=600, content_bytes=3_000_000)
        lab.configure("staging", "prefect", api_url=server.api_url)
        # The disk that fills up holds the server, and nothing of the orchestrator.
        lab.configure("disconnected", "site", state_dir=str(home / "state"))
        count_starts(lab, "disconnected")
        with disk(lab.folder / "disconnected"):
            lab.export()
            for name in names:
                print(f"{name}: {PLAYS[name].__doc__}", flush=True)
                try:
                    PLAYS[name](Play(lab, home, home / f"profile-{name}"))
                except Exception as error:  # noqa: BLE001  the next play is of use all the same
                    failed.append(name)
                    print(f"  FAILED: {type(error).__name__}: {error}", flush=True)
    print(f"{len(names) - len(failed)} of {len(names)} plays came out right; failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main(sys.argv[1:]))
