"""A question to wsusutil that changes nothing, and by which a check sees that it works."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.checks.facts.own import ProgramAnswer
from tasks.errors import CommandFailedError, TimeLimitError
from tasks.hosts.host import CommandResult, Host
from tasks.metadata.wsusutil_process import READ_ONLY_VERB

_LIMIT_SECONDS = 120.0
_SHOWN_CHARACTERS = 200


def ask_wsusutil(server: Host, program: Sequence[str]) -> ProgramAnswer | None:
    """Have wsusutil list approvals, which starts the program and reads its database.

    Returns:
        None if it still works at the limit; we do not stop it, and it is nobody's reason to wait
        (``wsusutil_process.is_read_only``). The SSH server of Windows may end it with the
        connection, which harms nothing, because it only reads.

    Raises:
        ConnectionLostError: The connection broke meanwhile.

    Source: Microsoft's page on wsusutil, ``listinactiveapprovals``. It names no exit codes; 0 is
    taken for an answer.
    """
    try:
        result = server.run([*program, READ_ONLY_VERB], timeout_seconds=_LIMIT_SECONDS)
    except CommandFailedError as error:
        return ProgramAnswer(exit_code=None, last_line=error.message)
    except TimeLimitError:
        return None
    return ProgramAnswer(exit_code=result.exit_code, last_line=_last_line(result))


def _last_line(result: CommandResult) -> str:
    """The last line of a failure; a list of titles says nothing of one."""
    if result.exit_code == 0:
        return ""
    lines = [line.strip() for line in (result.stdout + "\n" + result.stderr).splitlines()]
    text = next((line for line in reversed(lines) if line), "")
    return text[:_SHOWN_CHARACTERS]
