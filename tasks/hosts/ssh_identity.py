"""The private key file for logging in over SSH."""

from __future__ import annotations

from pathlib import Path

import paramiko

from tasks.errors import UsageError


def load_identity(path: Path) -> paramiko.PKey:
    """Read a private key without a passphrase, of any kind and format that OpenSSH writes.

    Raises:
        UsageError: The file is empty or contains no such key.
    """
    try:
        if not path.stat().st_size:
            raise UsageError(reason=f"{path} is empty")
        return paramiko.PKey.from_path(path)
    except (paramiko.SSHException, ValueError, OSError, TypeError) as error:
        reason = f"{path} is no private key without a passphrase ({error})"
        raise UsageError(reason=reason) from error
