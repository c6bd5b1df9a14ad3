"""Make a host from the address in a site file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import UsageError
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import Platform, absolute_path
from tasks.hosts.script_run import ScriptSetup
from tasks.hosts.ssh_address import CIPHERS, Cipher, parse_ssh_address
from tasks.hosts.waiting import Patience

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Address of a host and settings for reaching it, from the site file.

    Attributes:
        address: ``local`` or ``ssh://user@host:port``.
        platform: Platform of the host. For ``local`` the platform of this machine is used.
        identity_file: The private key; None: the keys of the SSH agent.
        known_hosts: The file of pinned host keys; needed for SSH.
        powershell: The interpreter for our scripts, with its own arguments.
        scripts_dir: Folder on the host in which the site has installed our scripts.
        patience: Time limits and retries of the connection.
        ciphers: Ciphers that are offered to the server, the preferred one first.
    """

    address: str
    platform: Platform = Platform.POSIX
    identity_file: Path | None = None
    known_hosts: Path | None = None
    powershell: tuple[str, ...] = ("powershell.exe",)
    scripts_dir: str | None = None
    patience: Patience = field(default_factory=Patience)
    ciphers: tuple[Cipher, ...] = CIPHERS


def open_host(address: HostAddress) -> Host:
    """Make the host for an address. SSH connects at the first call that needs it.

    Raises:
        UsageError: The address or a setting is not usable.
    """
    platform = address.platform if address.address != LOCAL else LocalHost().platform
    try:
        folder = address.scripts_dir
        scripts_dir = None if folder is None else absolute_path(folder, platform)
    except ValueError as error:
        raise UsageError(reason=f"scripts_dir: {error}") from error
    setup = ScriptSetup(address.powershell, scripts_dir)
    if address.address == LOCAL:
        return LocalHost(setup)
    return _open_ssh(address, setup)


def _open_ssh(address: HostAddress, setup: ScriptSetup) -> Host:
    # Importing paramiko is slow, and a site without SSH never needs it.
    from tasks.hosts.ssh import SshHost  # noqa: PLC0415
    from tasks.hosts.ssh_login import SshAccess  # noqa: PLC0415

    target = parse_ssh_address(address.address)
    if address.known_hosts is None:
        raise UsageError(reason=f"server {target} needs server.known_hosts: pinned host keys")
    access = SshAccess(
        target, address.known_hosts, address.identity_file, address.patience, address.ciphers
    )
    return SshHost(access, address.platform, setup)
