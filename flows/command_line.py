"""The console script: words of a command in, one report and one exit code out.

Knows the commands and nothing of how they work: a flow is imported, and Prefect with it, only when
a command needs one. The lab's commands are in ``deploy/demo/lab_commands.py``.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from deploy.demo.lab_commands import demo, lab_app
from flows.explain_command import explain
from tasks.errors import AirGapError, PathMissingError, StoppedError, UsageError
from tasks.names import Mode, Side
from tasks.reports.model import CommandReport, failure_report
from tasks.reports.terminal import let_go, open_streams, print_lines, print_report, show_steps
from tasks.site.reading import register_site, require_side
from tasks.site.settings import Site
from tasks.version import VERSION
from tasks.visible import visible_lines

SitePath = Annotated[Path, Parameter(name="--site", env_var="WSUS_AIRGAP_SITE")]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
TakeOver = Annotated[str | None, Parameter(name="--take-over")]
Answer = CommandReport | int

_stopped = threading.Event()
_SITE = Path("site.toml")
_KEYGEN_NEXT = (
    "Carry the public key to the other side and compare its fingerprint there; "
    "both sides use one receipt secret."
)

app = App(
    name="wsus-airgap",
    help="Carry Microsoft WSUS across an air gap.",
    version=VERSION,
    suppress_keyboard_interrupt=False,  # we end with a document and an exit code of ours
)
site_app = App(name="site", help="The site file.")
app.command(lab_app)
app.command(site_app)
app.command(demo)
app.command(explain)


def main() -> None:
    """Run the command line of this process and end it."""
    open_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    sys.exit(run(sys.argv[1:]))


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, so that locks are let go and the document is printed."""
    _stopped.set()
    raise KeyboardInterrupt


def run(words: list[str]) -> int:
    """Carry out a command; print its report; return its exit code."""
    answer = _carry_out(words, command := _command_of(words))
    if _stopped.is_set() and not _says_so(answer):
        # Prefect may have made another error of it on the way here.
        named = answer.site if isinstance(answer, CommandReport) else None
        answer = failure_report(command, StoppedError(command=command), site=named)
    if not isinstance(answer, CommandReport):
        return answer if isinstance(answer, int) else 0
    print_report(answer, as_json="--json" in words)
    return answer.exit_code


def _says_so(answer: object) -> bool:
    """Whether the run itself reported that it was stopped; it also knows what goes on."""
    errors = answer.errors if isinstance(answer, CommandReport) else ()
    return any(error.kind == StoppedError.kind for error in errors)


def _carry_out(words: list[str], command: str) -> object:
    """What the command answers; every error is a report."""
    try:
        _require_utf8([*words, str(Path.cwd())])
        return app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return failure_report(command, UsageError(reason=_plain(error)))
    except KeyboardInterrupt:
        return failure_report(command, StoppedError(command=command))
    except BrokenPipeError:
        let_go(sys.stdout)  # whoever read `lab state` or `--help` has seen enough
        return 0
    except (AirGapError, OSError) as error:
        return failure_report(command, error)
    except Exception as error:  # noqa: BLE001  the edge: every end is a report
        print_lines(visible_lines(traceback.format_exc()).splitlines(), sys.stderr)
        return failure_report(command, error)


def _require_utf8(words: list[str]) -> None:
    """See that reports, databases and Prefect can hold what was given; POSIX names need not be so.

    Raises:
        UsageError: A word, or the working folder, is not UTF-8.
    """
    for word in words:
        shown = word.encode(errors="backslashreplace").decode()
        if shown != word:
            raise UsageError(
                reason=f"{shown} is not UTF-8",
                remedy="Rename that folder, or mount the medium so that its names are UTF-8.",
            )


# --- commands that are flows -----------------------------------------------------------------


@app.command
def export(
    *,
    site: SitePath = _SITE,
    mode: Mode | None = None,
    full: Flag = False,
    new: Flag = False,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Staging side: make the next bundle on the media.

    Args:
        site: The site file.
        mode: incremental brings what the baseline lacks; mirror also plans deletions there.
        full: Carry everything staging holds, whatever the baseline says.
        new: Make another bundle even when nothing has changed since the last one.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """

    def work(name: str) -> CommandReport:
        from flows.export_bundle import export_bundle
        from tasks.flow_run import report_of

        return report_of(
            export_bundle, site=name, mode=mode, full=full, new=new, take_over=take_over
        )

    return _flow("export", site, Side.STAGING, work)


@app.command
def verify(
    bundles: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    site: SitePath = _SITE,
    json: Json = False,
) -> Answer:
    """Either side: prove a bundle, and change nothing.

    Args:
        bundles: The bundle's folder; several are its volumes, or copies of it.
        site: The site file.
        json: Print one JSON document.
    """

    def work(name: str) -> CommandReport:
        from flows.verify_bundle import verify_bundle
        from tasks.flow_run import report_of

        return report_of(verify_bundle, site=name, bundles=_absolute(bundles))

    return _flow("verify", site, None, work, bundles=bundles)


@app.command(name="import")
def import_(
    bundles: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    site: SitePath = _SITE,
    confirm: str | None = None,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Disconnected side: verify a bundle and take it in.

    Args:
        bundles: The bundle's folder; several are its volumes, or copies of it.
        site: The site file.
        confirm: Digest of the plan that you have read and agree to.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """

    def work(name: str) -> CommandReport:
        from flows.import_bundle import import_bundle
        from tasks.flow_run import report_of

        return report_of(
            import_bundle,
            site=name,
            bundles=_absolute(bundles),
            confirm=confirm,
            take_over=take_over,
        )

    return _flow("import", site, Side.DISCONNECTED, work, bundles=bundles)


@app.command
def accept(receipt: str, /, *, site: SitePath = _SITE, json: Json = False) -> Answer:
    """Staging side: take a receipt and advance the baseline.

    Args:
        receipt: The receipt's file, or the short code that an operator typed.
        site: The site file.
        json: Print one JSON document.
    """
    is_path = os.path.exists(receipt)  # noqa: PTH110  pathlib raises at a text too long for one
    named = str(Path(receipt).absolute()) if is_path else receipt

    def work(name: str) -> CommandReport:
        from flows.accept_receipt import accept_receipt
        from tasks.flow_run import report_of

        return report_of(accept_receipt, site=name, receipt=named)

    return _flow("accept", site, Side.STAGING, work)


@app.command
def audit(
    *,
    site: SitePath = _SITE,
    every_update: Annotated[bool, Parameter(name="--all", negative="")] = False,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Disconnected side: every approved or parked update whose content is missing, and why.

    Args:
        site: The site file.
        every_update: List the files that unapproved updates lack too, instead of counting them.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """

    def work(name: str) -> CommandReport:
        from flows.audit_content import audit_content
        from tasks.flow_run import report_of

        return report_of(audit_content, site=name, every_update=every_update, take_over=take_over)

    return _flow("audit", site, Side.DISCONNECTED, work)


def _flow(
    command: str,
    path: Path,
    side: Side | None,
    work: Callable[[str], CommandReport],
    *,
    bundles: Sequence[Path] = (),
) -> CommandReport:
    """Run one flow in this process, on the site's API or on an embedded server.

    Args:
        command: Its name, for a refusal.
        path: The site file.
        side: The side that the command belongs to; None: either.
        work: Runs the flow for a site's name. Imports it, and Prefect with it, only then: once the
            settings that name the server are in force.
        bundles: Folders that have to be there before a server is started.
    """

    def run_flow(site: Site) -> CommandReport:
        from deploy.prefect_server.embedded import prefect_for

        for bundle in bundles:
            _require_folder(bundle)
        with prefect_for(site.state_dir, api_url=site.prefect.api_url):
            show_steps()
            return work(site.name)

    return _at_site(command, path, side, run_flow)


def _at_site(
    command: str, path: Path, side: Side | None, work: Callable[[Site], CommandReport]
) -> CommandReport:
    """Do a command's work with its site; a refusal names the site once its file could be read."""
    site = register_site(path)
    try:
        if side is not None:
            require_side(site, side, command)
        return work(site)
    except KeyboardInterrupt:
        return failure_report(command, StoppedError(command=command), site=site.name)
    except (AirGapError, OSError) as error:
        return failure_report(command, error, site=site.name)


def _require_folder(bundle: Path) -> None:
    try:
        mode = bundle.stat().st_mode  # is_dir would call a broken disk a missing folder
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISDIR(mode):
        # Not resolve(): that looks at the disk, which may be broken.
        raise PathMissingError(what="the bundle's folder", path=os.path.abspath(bundle))


def _absolute(bundles: Sequence[Path]) -> list[str]:
    return [str(bundle.absolute()) for bundle in bundles]


# --- commands without Prefect ------------------------------------------------------------------


@app.command
def status(*, site: SitePath = _SITE, json: Json = False) -> Answer:
    """Show chain, baseline, last runs, parked approvals and locks.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.server.status import read_status

    show_steps()
    return _at_site("status", site, None, lambda named: read_status(named.name, clock=_now))


@app.command
def keygen(folder: Path, /, *, json: Json = False) -> Answer:
    """Make an Ed25519 key pair, and the secret for typed receipt codes.

    Args:
        folder: Where to put them; keys that are there already are never overwritten.
        json: Print one JSON document.
    """
    from tasks.bundle.keys import generate_keys

    made = generate_keys(folder.absolute())
    lines = (
        f"signing key      {made.signing_key}",
        f"public key       {made.public_key}",
        f"receipt secret   {made.receipt_secret}",
        f"fingerprint      {made.fingerprint}",
    )
    return CommandReport(command="keygen", site=None, lines=lines, next_step=_KEYGEN_NEXT)


@site_app.command(name="check")
def site_check(*, site: SitePath = _SITE, json: Json = False) -> Answer:
    """Say what is wrong with a site file.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.site.checking import require_sound

    checked = register_site(site)
    require_sound(checked)
    line = f"{checked.path}: site {checked.name}, {checked.side.value} side: nothing wrong"
    return CommandReport(command="site check", site=checked.name, lines=(line,))


def _now() -> datetime:
    return datetime.now(UTC)


def _command_of(words: list[str]) -> str:
    named = [word for word in words if not word.startswith("-")]
    if named[:1] == ["lab"] or named[:1] == ["site"]:
        return " ".join(named[:2])
    return named[0] if named else "wsus-airgap"


def _plain(error: CycloptsError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
