"""From the address in a site file to a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import UsageError
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import Platform, absolute_path
from tasks.hosts.script_run import ScriptSetup
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.hosts.waiting import Patience

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class HostAddress:
    """Where a host is and how to reach it, as the site file says.

    Attributes:
        address: ``local`` or ``ssh://user@host:port``.
        platform: What runs there. For ``local`` it is what this machine is.
        identity_file: The private key; None: the SSH agent's keys.
        known_hosts: The file of pinned host keys; needed for SSH.
        powershell: The interpreter for our scripts, with arguments of its own.
        scripts_dir: Folder there in which the site has installed our scripts.
        patience: How long the connection is waited for.
    """

    address: str
    platform: Platform = Platform.POSIX
    identity_file: Path | None = None
    known_hosts: Path | None = None
    powershell: tuple[str, ...] = ("powershell.exe",)
    scripts_dir: str | None = None
    patience: Patience = field(default_factory=Patience)


def open_host(address: HostAddress) -> Host:
    """Make the host for an address. SSH connects at the first call that needs it.

    Raises:
        UsageError: The address cannot be used as it is.
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
    # paramiko takes a while to load, and a site without SSH never needs it.
    from tasks.hosts.ssh import SshHost  # noqa: PLC0415
    from tasks.hosts.ssh_login import SshAccess  # noqa: PLC0415

    target = parse_ssh_address(address.address)
    if address.known_hosts is None:
        raise UsageError(reason=f"server {target} needs server.known_hosts: pinned host keys")
    access = SshAccess(target, address.known_hosts, address.identity_file, address.patience)
    return SshHost(access, address.platform, setup)
