"""Commands that set up a side: keys and site file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cyclopts import App
from cyclopts.completion.detect import ShellDetectionError

from flows.commands.options import DEFAULT_SITE, Answer, Flag, Json, SitePath
from flows.commands.site_init import site_init
from tasks.errors import UsageError
from tasks.reports.model import CommandReport
from tasks.site.reading import register_site

_KEYGEN_NEXT = (
    "Carry the public key to the other side and compare its fingerprint there; "
    "both sides use one receipt secret."
)

site_app = App(name="site", help="The site file.")
site_app.command(site_init, name="init")


def keygen(
    folder: Path,
    /,
    *,
    encrypt: Flag = False,
    passphrase_file: Path | None = None,
    json: Json = False,
) -> Answer:
    """Make an Ed25519 key pair, and the secret for typed receipt codes.

    Args:
        folder: Folder for the keys; existing keys are never overwritten.
        encrypt: Encrypt the private key with a passphrase, which is asked for.
        passphrase_file: Encrypt it with the passphrase in the first line of this file.
        json: Print one JSON document.
    """
    from tasks.bundle.keys import generate_keys
    from tasks.bundle.passphrase import find_passphrase

    passphrase = None
    if encrypt or passphrase_file is not None:
        passphrase = find_passphrase(folder / "signing.key", passphrase_file, confirm=True)
    made = generate_keys(folder.absolute(), passphrase=passphrase)
    lines = (
        f"signing key      {made.signing_key}",
        f"public key       {made.public_key}",
        f"receipt secret   {made.receipt_secret}",
        f"fingerprint      {made.fingerprint}",
    )
    return CommandReport(command="keygen", site=None, lines=lines, next_step=_KEYGEN_NEXT)


def completion_command(app: App) -> Callable[..., Answer]:
    """Make the command that installs the completion of an application's commands."""

    def install_completion(
        *, shell: Literal["bash", "zsh", "fish", "powershell"] | None = None, json: Json = False
    ) -> Answer:
        """Install the completion of commands and options for your shell.

        Args:
            shell: The shell; left out: the one that runs this command.
            json: Print one JSON document.
        """
        try:
            file = app.install_completion(shell=shell)
        except ShellDetectionError:
            raise UsageError(
                reason="the shell that runs this command is none that we know",
                remedy="Name it: `wsus-airgap install-completion --shell bash` (or zsh, fish, "
                "powershell).",
            ) from None
        return CommandReport(
            command="install-completion",
            site=None,
            lines=(f"{file}: completion of wsus-airgap",),
            next_step="Open a new shell, type `wsus-airgap ` and press Tab.",
        )

    return install_completion


@site_app.command(name="check")
def site_check(*, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """List what is wrong with a site file.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.site.checking import require_sound

    checked = register_site(site)
    require_sound(checked)
    line = f"{checked.path}: site {checked.name}, {checked.side.value} side: nothing wrong"
    media = checked.media.path
    lines = (line,) if media.is_dir() else (line, f"the medium {media} is not there now")
    return CommandReport(
        command="site check",
        site=checked.name,
        lines=lines,
        next_step=f"Only the file was read; `wsus-airgap check --site {checked.path}` asks the "
        "server, and looks at the medium.",
    )
