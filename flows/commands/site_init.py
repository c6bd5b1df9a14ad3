"""The command ``site init``: a site file and keys for a new side, from answers or options."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from flows.commands.options import DEFAULT_SITE, Answer, Json, SitePath
from tasks.errors import SiteFileError, UsageError
from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.names import Side, SiteName
from tasks.reports.model import CommandReport

if TYPE_CHECKING:
    from tasks.site.side_keys import SideKeys

_NAME = TypeAdapter[str](SiteName)


def site_init(
    *,
    site: SitePath = DEFAULT_SITE,
    name: str | None = None,
    side: Side | None = None,
    server: str | None = None,
    platform: Platform | None = None,
    identity_file: str | None = None,
    known_hosts: str | None = None,
    media: str | None = None,
    return_path: Annotated[str | None, Parameter(name=("--return", "--return-path"))] = None,
    trusted_key: Path | None = None,
    receipt_secret: Path | None = None,
    json: Json = False,
) -> Answer:
    """Write a commented site file and keys for a side; asks for what it needs on a terminal.

    Args:
        site: The site file to write; the keys go into the folder `keys` beside it.
        name: Name of the site, the same on both sides.
        side: staging or disconnected.
        server: local, or ssh://account@server:22. Left out without a terminal: local.
        platform: windows; posix is for the lab.
        identity_file: Private key for SSH. Left out: the keys of the SSH agent.
        known_hosts: File with the server's pinned host key. Left out: keys/known_hosts.
        media: Mount point of the media.
        return_path: Folder for receipts on the disconnected side. Left out: in the state folder.
        trusted_key: Public key of the other side, if it has come already; it is copied.
        receipt_secret: File with the receipt secret of the other side. Left out: a new secret.
        json: Print one JSON document.
    """
    from tasks.site.new_file import SiteAnswers, site_file_exists, write_new_site_file
    from tasks.site.side_keys import KEYS_FOLDER

    path = site.absolute()
    if os.path.lexists(path):
        raise site_file_exists(path)
    ask = _Questions(sys.stdin.isatty() and sys.stderr.isatty())
    ask.begin()
    name = ask.text("Name of the site, the same on both sides", name, "--name", check=_checked_name)
    side = Side(ask.text("Side, staging or disconnected", side, "--side", check=_checked_side))
    ask.require("--media", media)
    reached = _ask_server(ask, server, identity_file, known_hosts)
    media = ask.text("Folder in which the media are mounted", media, "--media", check=_absolute)
    if side is Side.DISCONNECTED:
        question = "Folder for receipts; empty: in the state folder"
        return_path = ask.text(question, return_path, "", "", check=_absolute)
    folder = path.parent / KEYS_FOLDER
    keys = _ask_keys(ask, folder, side, trusted_key, receipt_secret)
    answers = SiteAnswers(
        name=name,
        side=side,
        platform=platform or Platform.WINDOWS,
        media=media,
        return_path=return_path or None,
        signing_key=f"{KEYS_FOLDER}/signing.key",
        trusted_key=f"{KEYS_FOLDER}/{keys.trusted_key.name}",
        receipt_secret=f"{KEYS_FOLDER}/receipt.secret",
        **reached,
    )
    write_new_site_file(path, answers)
    return _report(path, answers.name, keys)


def _ask_server(
    ask: _Questions, server: str | None, identity_file: str | None, known_hosts: str | None
) -> dict[str, Any]:
    """Ask how the WSUS server is reached; give the answers of ``SiteAnswers`` for it."""
    from tasks.site.side_keys import KEYS_FOLDER

    question = "WSUS server: local, or ssh://account@server"
    address = ask.text(question, server, "", LOCAL, check=_checked_address)
    if address == LOCAL:
        return {"address": address}
    question = "Private key for SSH; empty: the keys of the SSH agent"
    identity = ask.text(question, identity_file, "", "", check=_absolute)
    pinned = _absolute(known_hosts) if known_hosts else f"{KEYS_FOLDER}/known_hosts"
    return {"address": address, "identity_file": identity or None, "known_hosts": pinned}


def _ask_keys(
    ask: _Questions, folder: Path, side: Side, trusted_key: Path | None, secret_file: Path | None
) -> SideKeys:
    """Ask for what has come from the other side, and prepare the keys."""
    from tasks.bundle.keys import load_receipt_secret
    from tasks.site.side_keys import prepare_keys

    question = "Public key of the other side; empty: it comes later"
    given = ask.text(question, trusted_key, "", "")
    secret = load_receipt_secret(secret_file) if secret_file else ask.secret()
    other_key = Path(given) if given else None
    return prepare_keys(folder, side, trusted_key=other_key, receipt_secret=secret)


def _report(path: Path, name: str, keys: SideKeys) -> CommandReport:
    from tasks.site.checking import require_sound
    from tasks.site.reading import register_site

    lines = [
        f"site file     {path}",
        f"public key    {keys.public_key}{'' if keys.are_new else ' (was there before)'}",
        f"fingerprint   {keys.fingerprint}",
    ]
    step = f"Carry {keys.public_key} to the other side and compare the fingerprint there."
    try:
        require_sound(register_site(path))
    except SiteFileError as error:
        lines += ["still to do:", *(f"  {problem}" for problem in error.problems)]
        step += " Bring what is still to do; then run"
    else:
        step += " Then run"
    step += f" `wsus-airgap site check --site {path}`."
    return CommandReport(command="site init", site=name, lines=tuple(lines), next_step=step)


@dataclass(frozen=True, slots=True)
class _Questions:
    """Questions on a terminal; without one the given values, or the defaults, are the answers."""

    is_terminal: bool

    def begin(self) -> None:
        """Say what the questions are for."""
        if self.is_terminal:
            self._say("An empty answer takes the value in brackets. Ctrl-C leaves all as it is.")

    def require(self, option: str, given: object) -> None:
        """Require an option that only a terminal may replace.

        Raises:
            UsageError: It was not given, and there is no terminal.
        """
        if given is None and not self.is_terminal:
            raise UsageError(
                reason=f"without a terminal `site init` needs {option}",
                remedy="Give --name, --side and --media; `wsus-airgap site init --help` has more.",
            )

    def text(
        self,
        question: str,
        given: object,
        option: str,
        default: str | None = None,
        *,
        check: Callable[[str], str] = str,
    ) -> str:
        """Return a checked value: the given one, else the answer, else the default.

        Raises:
            UsageError: The given value is wrong, or nothing can be asked and there is no default.
        """
        if given is not None:
            return check(str(given))
        if not self.is_terminal:
            self.require(option, default)
            return default or ""
        shown = f" [{default}]" if default else ""
        while True:
            self._say(f"{question}{shown}: ", end="")
            answer = sys.stdin.readline()
            if not answer:
                raise UsageError(reason="the terminal was closed before all was answered")
            text = answer.strip() or default
            if text is None:
                continue
            try:
                return check(text)
            except UsageError as error:
                self._say(f"  {error.message}")

    def secret(self) -> bytes | None:
        """Return the other side's receipt secret, which is not shown; None: make a new one."""
        from tasks.bundle.keys import parse_receipt_secret

        if not self.is_terminal:
            return None
        while True:
            text = getpass.getpass(
                "Receipt secret of the other side, 64 digits (not shown); empty: a new one: "
            )
            if not text.strip():
                return None
            if (secret := parse_receipt_secret(text)) is not None:
                return secret
            self._say("  expected 64 hexadecimal digits")

    def _say(self, text: str, *, end: str = "\n") -> None:
        # On stderr, because stdout has the document of --json.
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def _checked_name(text: str) -> str:
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        reason = f"{text!r} is no name: expected 1 to 40 letters, digits, - and _"
        raise UsageError(reason=reason) from None


def _checked_side(text: str) -> str:
    if text not in set(Side):
        raise UsageError(reason=f"{text!r} is no side: expected staging or disconnected")
    return text


def _checked_address(text: str) -> str:
    if text != LOCAL:
        parse_ssh_address(text)
    return text


def _absolute(text: str) -> str:
    """Make a path of the command line absolute; in a site file it would start at that file."""
    return os.path.abspath(os.path.expanduser(text)) if text else text  # noqa: PTH111
