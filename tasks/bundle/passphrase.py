"""The passphrase of an encrypted private key: from a file, a service credential, or a prompt.

It is asked for once in a process, by key file, and never leaves it.
"""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from tasks.bundle.keys import SigningKey, is_encrypted, load_signing_key
from tasks.errors import PathMissingError, UsageError

CREDENTIAL = "wsus-airgap-passphrase"
"""Name of the service credential (systemd's ``LoadCredential=``) that holds the passphrase."""

_LIMIT_BYTES = 4_096
_given: dict[Path, bytes] = {}


def open_signing_key(path: Path, *, passphrase_file: Path | None = None) -> SigningKey:
    """Read a private key; one that is encrypted with the passphrase of its owner.

    Args:
        path: The key, PKCS#8 PEM.
        passphrase_file: File with the passphrase in its first line. None: the service credential,
            or else a prompt on the terminal.

    Raises:
        PathMissingError: The key or the passphrase file does not exist.
        UsageError: The key cannot be opened, or there is nobody to ask for its passphrase.
    """
    if not is_encrypted(path):
        return load_signing_key(path)
    passphrase = _given.get(path) or find_passphrase(path, passphrase_file)
    key = load_signing_key(path, passphrase=passphrase)
    _given[path] = passphrase
    return key


def find_passphrase(path: Path, file: Path | None, *, confirm: bool = False) -> bytes:
    """Return the passphrase of a key from where the site keeps it (see ``open_signing_key``).

    Args:
        path: The key, for the prompt.
        file: File with the passphrase; None: the service credential, or else a prompt.
        confirm: Ask twice, for a key that is being made.

    Raises:
        PathMissingError: The file does not exist.
        UsageError: It is empty, the two answers differ, or there is no terminal to ask on.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / CREDENTIAL if folder else None
    if file is None and credential is not None and credential.is_file():
        file = credential
    if file is not None:
        return _read_first_line(file)
    if not sys.stdin.isatty():
        raise UsageError(
            reason=f"{path} is encrypted, and nobody is here to ask for its passphrase",
            remedy="Name a file with the passphrase (`trust.passphrase_file` in the site file, "
            f"`--passphrase-file` of `sign` and `keygen`), or give the service the credential "
            f"{CREDENTIAL}.",
        )
    passphrase = getpass.getpass(f"Passphrase of {path}: ")
    if confirm and getpass.getpass("The same again: ") != passphrase:
        raise UsageError(reason="the two passphrases differ", remedy="Begin again.")
    if not passphrase:
        raise UsageError(reason="the passphrase is empty", remedy="Begin again.")
    return passphrase.encode()


def _read_first_line(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            line = stream.readline(_LIMIT_BYTES).rstrip(b"\r\n")
    except FileNotFoundError:
        raise PathMissingError(what="the passphrase file", path=file) from None
    except OSError as error:
        raise UsageError(reason=f"{file} cannot be read: {error.strerror}") from error
    if not line:
        raise UsageError(reason=f"{file} has no passphrase in its first line")
    return line
