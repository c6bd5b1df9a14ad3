"""Account under which a command runs, for the record of what a person decided."""

from __future__ import annotations

import getpass
import os

BY_API = "by the API"
"""Recorded instead of an account for a run that Prefect's API started: it knows no persons."""


def account_of_process() -> str:
    """Return the name of the account that runs this process; its number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        number = getattr(os, "getuid", lambda: "unknown")()
        return f"account {number}"
