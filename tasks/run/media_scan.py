"""The site's malware scanner over the media, before our readers open a byte of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.bundle.faults import printable
from tasks.hosts.host import Host
from tasks.quantities import moment
from tasks.refusals import MalwareError
from tasks.run.context import RunContext
from tasks.run.custody import record_event

PLACE = "{path}"
_LIMIT_SECONDS = 12 * 3_600.0
_ENGINE_CHARACTERS = 200


def scan_media(
    run: RunContext, folders: Sequence[str], *, is_new_medium: bool = False
) -> str | None:
    """Run ``media.scan_command`` over each folder; return its verdict, None without a command.

    A folder is scanned once in a run, unless another medium lies there now.

    The command gets the folder in the place of ``{path}``, or as its last word. Exit code 0 means
    clean; any other one refuses the bundle. A verdict that came on the media counts for nothing.

    Raises:
        MalwareError: The scanner did not find a folder clean.
        CommandFailedError: It could not be started.
        TimeLimitError: It did not end within twelve hours.
    """
    command = run.site.media.scan_command
    if not command:
        return None
    for folder in folders:
        if is_new_medium or folder not in run.scanned:
            words = _scan(run.media, command, folder)
            run.scanned[folder] = f"scanned at {moment(run.clock())}, clean: {words}"
            run.report.lines.append(run.scanned[folder])
    return "; ".join(sorted({run.scanned[folder] for folder in folders}))


def record_scan(run: RunContext, verdict: str | None, *, bundle: str, digest: str) -> None:
    """Record the scanner's verdict in the custody log; None: nothing was scanned."""
    if verdict is not None:
        record_event(run, "verified", verdict, bundle=bundle, digest=digest)


def _scan(machine: Host, command: Sequence[str], folder: str) -> str:
    """Scan one folder; return the scanner's name and what it said last."""
    words = [word.replace(PLACE, folder) for word in command]
    if not any(PLACE in word for word in command):
        words.append(folder)
    result = machine.run(words, timeout_seconds=_LIMIT_SECONDS)
    lines = [line for line in (result.stdout + "\n" + result.stderr).splitlines() if line.strip()]
    last = printable(lines[-1])[:_ENGINE_CHARACTERS] if lines else "it said nothing"
    if result.exit_code != 0:
        raise MalwareError(
            path=folder, scanner=Path(words[0]).name, code=result.exit_code, found=last
        )
    return f"{Path(words[0]).name}: {last}"
