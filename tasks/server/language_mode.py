"""The language mode of the server's PowerShell: in a restricted one no script can use the API."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.errors import AirGapError, ScriptFailedError
from tasks.hosts.host import Host

_SHORT_SECONDS = 120.0
_QUESTION = "$ExecutionContext.SessionState.LanguageMode"
FULL = "FullLanguage"


def language_mode(server: Host, powershell: Sequence[str]) -> str | None:
    """Ask PowerShell for its language mode, in words that every mode lets pass.

    Returns:
        Windows' word, for example ``ConstrainedLanguage``; None without a clear answer.
    """
    words = (*powershell, "-NoProfile", "-NonInteractive", "-Command", _QUESTION)
    try:
        answer = server.run(words, timeout_seconds=_SHORT_SECONDS).stdout.strip()
    except AirGapError:
        return None
    return answer if answer.endswith("Language") and answer.isalpha() else None


def explain_failure(
    server: Host, powershell: Sequence[str], error: ScriptFailedError
) -> ScriptFailedError:
    """Return the error of a script, or one that names the language mode if that is the reason."""
    mode = language_mode(server, powershell)
    if mode in (None, FULL):
        return error
    return ScriptFailedError(
        script=error.facts["script"],
        reason=f"PowerShell is in {mode} mode there, because application control (AppLocker, WDAC) "
        f"restricts it, and our scripts cannot use the API of WSUS: {error.facts['reason']}",
        remedy="Have application control allow our scripts, or sign them, install them on that "
        "server and set server.scripts_dir (deploy/README.md, *Installed scripts*). Then run the "
        "command again.",
    )
