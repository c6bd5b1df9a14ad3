"""The safety copy of WSUS's database before an import's metadata, by the site's own command."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import AirGapError
from tasks.hosts.host import Host
from tasks.logs import log
from tasks.refusals import BackupFailedError

_LAST_CHARACTERS = 300


def make_safety_copy(server: Host, command: Sequence[str], *, limit_hours: float) -> None:
    """Run ``server.backup_command`` on the server and wait for its end.

    Args:
        server: The server.
        command: The program with its arguments.
        limit_hours: The longest time for it; it is not stopped then.

    Raises:
        BackupFailedError: It could not be run, or did not end with 0 in time.
    """
    log.info("safety copy of the database: %s", command[0])
    try:
        ended = server.run(command, timeout_seconds=limit_hours * 3_600)
    except AirGapError as error:
        raise BackupFailedError(program=command[0], reason=error.message) from error
    if ended.exit_code != 0:
        output = (ended.stderr.strip() or ended.stdout.strip())[-_LAST_CHARACTERS:]
        last = " ".join(output.split())
        reason = f"it ended with exit code {ended.exit_code}{f': {last}' if last else ''}"
        raise BackupFailedError(program=command[0], reason=reason)
