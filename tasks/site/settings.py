"""The site file as frozen models, with all defaults. Unknown keys and wrong types are errors.

Validation needs the context that ``tasks.site.paths`` describes, and makes all paths absolute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo

from tasks.approvals.group_rules import GroupRules
from tasks.approvals.policy import ApprovalPolicy, Share
from tasks.checks.finding import FindingSeverity
from tasks.checks.limits import CheckLimits
from tasks.errors import HostFileError, UsageError
from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import CIPHERS, parse_ssh_address
from tasks.names import Count, Mode, Occasion, Side, SiteName
from tasks.site.paths import (
    Ciphers,
    LocalFile,
    LocalFiles,
    LocalPath,
    MountPath,
    PrivateFile,
    ServerCommand,
    ServerPath,
)
from tasks.site.schedule import ScheduleSection


def _server_address(address: str) -> str:
    if address != LOCAL:
        try:
            parse_ssh_address(address)
        except UsageError as error:
            raise ValueError(error.message) from None
    return address


def _pinned(known_hosts: Path | None, info: ValidationInfo) -> Path | None:
    # The address is missing from ``info.data`` if it was refused; it was then meant for SSH.
    if known_hosts is None and info.data.get("address") != LOCAL:
        raise ValueError("needed with an ssh:// address (strict host keys)")
    return known_hosts


def _within_keys(threshold: int, info: ValidationInfo) -> int:
    keys = info.data.get("trusted_keys")
    own = 1 if (info.context or {}).get("side") == Side.STAGING.value else 0  # it signs bundles
    if keys is not None and threshold > len(keys) + own:
        raise ValueError("higher than the number of trusted keys")
    return threshold


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return url


def _syslog_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not address.startswith("/") and not (host and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError("expected the path of a socket, or HOST:PORT")
    return address


class Section(BaseModel):
    """A table of the site file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


class SiteSection(Section):
    """``[site]``: the name of the site, this side, and its state folder."""

    name: SiteName
    side: Annotated[Side, Field(strict=False)]
    state_dir: LocalPath = Path("state")


class ServerSection(Section):
    """``[server]``: the WSUS server of this side and the way to reach it.

    Attributes:
        ciphers: Ciphers for SSH, the preferred one first; nothing below what OpenSSH offers.
        packages_dir: UpdateServicesPackages, whose files are carried too; None: they are not.
        command_limit_hours: Time after which the report warns of a running wsusutil, which is never
            killed; and for which a served run waits for a lock or a wsusutil.
        script_limit_minutes: Longest time for one script on the server.
        service_wait_seconds: Longest time for a started service to reach its running state.
        backup_command: Program that makes a safety copy of the database before an import's
            metadata; None: none is made.
    """

    address: Annotated[str, AfterValidator(_server_address)] = LOCAL
    platform: Annotated[Platform, Field(strict=False)] = Platform.WINDOWS
    identity_file: LocalFile | None = None
    known_hosts: Annotated[LocalFile | None, AfterValidator(_pinned)] = None
    ciphers: Ciphers = CIPHERS
    content_dir: ServerPath | None = None
    packages_dir: ServerPath | None = None
    wsusutil: ServerCommand = (r"C:\Program Files\Update Services\Tools\WsusUtil.exe",)
    powershell: ServerCommand = ("powershell.exe",)
    work_dir: ServerPath = r"C:\ProgramData\wsus-airgap"
    scripts_dir: ServerPath | None = None
    command_limit_hours: float = Field(default=12, gt=0)
    script_limit_minutes: float = Field(default=30, gt=0)
    service_wait_seconds: float = Field(default=60, gt=0)
    backup_command: ServerCommand | None = None


class MediaSection(Section):
    """``[media]``: the mount point of the media on the orchestrator, and limits for them.

    Attributes:
        scan_command: Program and arguments of a malware scanner; ``{path}`` stands for the folder.
    """

    path: MountPath
    return_path: LocalPath | None = None
    volume_bytes: Annotated[int, Field(ge=1)] | None = None
    read_back: bool = True
    max_file_bytes: Annotated[int, Field(ge=1)] = 4_294_967_295
    scan_command: Annotated[tuple[str, ...], Field(strict=False)] = ()


class TrustSection(Section):
    """``[trust]``: this side's key, the trusted keys, and the largest ages of a bundle.

    Attributes:
        passphrase_file: File with the passphrase of an encrypted signing key in its first line.
        threshold: Number of different trusted keys that have to sign a bundle. A receipt has one
            signature.
        max_bundle_age_days: An import refuses a bundle that was made longer ago.
        max_quiet_days: The check finds fault if the newest bundle was made longer ago.
    """

    signing_key: LocalFile
    trusted_keys: LocalFiles
    passphrase_file: LocalPath | None = None
    receipt_secret: LocalFile | None = None
    threshold: Annotated[int, Field(ge=1), AfterValidator(_within_keys)] = 1
    max_bundle_age_days: Annotated[int, Field(ge=1)] = 90
    max_quiet_days: Annotated[int, Field(ge=1)] = 45


class PolicySection(ApprovalPolicy, Section):
    """``[policy]``: choices and limits, with cautious defaults.

    The keys for approvals are those of ``ApprovalPolicy``.

    Attributes:
        on_downloads: An export waits for downloads of approved content, or stops at them.
        download_wait_hours: Longest time for which it waits.
        answer_hours: Time for which a served run waits for an answer about its plan; 0: it never
            waits, and the plan is confirmed on the command line.
        wsusutil_reset: ``ask``: the command ``repair`` offers ``wsusutil reset``, which a person
            confirms each time; ``never``: it does not.
    """

    mode: Annotated[Mode, Field(strict=False)] = Mode.INCREMENTAL
    baseline: Literal["receipt", "sent"] = "receipt"
    on_gap: Literal["refuse", "accept"] = "refuse"
    max_deletes: Count = 10_000
    max_delete_share: Share = 0.5
    max_delete_bytes: Count = 500_000_000_000
    on_downloads: Literal["wait", "stop"] = "wait"
    download_wait_hours: Annotated[float, Field(ge=0)] = 6
    answer_hours: Annotated[float, Field(ge=0, le=8_760)] = 72
    wsusutil_reset: Literal["never", "ask"] = "never"


class GroupsSection(GroupRules, Section):
    """``[groups]``: the groups of this site for those of staging; the disconnected side reads it.

    The keys are those of ``GroupRules``.
    """


class CheckSection(CheckLimits, Section):
    """``[check]``: the severity of a finding from which an export or import stops, and limits."""

    stop_at: FindingSeverity = "failure"


class CustodySection(Section):
    """``[custody]``: where the lines of the custody log go besides its file.

    Attributes:
        syslog: A socket (``/dev/log``), or host and port for UDP (``log.example:514``).
        event_command: Program of Windows that writes into the event log (``eventcreate.exe``).
    """

    syslog: Annotated[str, AfterValidator(_syslog_address)] | None = None
    event_command: Annotated[tuple[str, ...], Field(strict=False)] = ()


class AuditSection(Section):
    """``[audit]``: the time within which scheduled audits read all of WsusContent again."""

    full_every_days: Annotated[int, Field(ge=1)] = 90


class PrefectSection(Section):
    """``[prefect]``: address of Prefect's API; without it an embedded server is started."""

    api_url: Annotated[str, AfterValidator(_web_address)] | None = None


class RetentionSection(Section):
    """``[retention]``: ages at which ``tidy`` removes what is ours.

    Attributes:
        reports_months: Reports of runs, and the large documents of old bundles.
        trash_days: Content that an import deleted.
        prefect_days: Runs in Prefect's database.
        media_days: Bundles on the staging side's medium, counted from their receipt; None: they
            stay.
    """

    reports_months: Annotated[int, Field(ge=1)] = 24
    trash_days: Annotated[int, Field(ge=1)] = 90
    prefect_days: Annotated[int, Field(ge=1)] = 180
    media_days: Annotated[int, Field(ge=1)] | None = None


class NotifySection(Section):
    """``[notify]``: who is told of what, by addresses of Apprise.

    Attributes:
        urls: Addresses; one may hold a password, so that none is ever shown.
        urls_file: A file with one address a line, readable by this account only.
        on: The occasions; an empty list switches all off.
        syslog: The end of each run goes there: a socket, or host and port for UDP.
        event_log: The end of each run goes into Windows' event log of this machine.
        event_program: The program that writes it.
    """

    urls: Annotated[tuple[SecretStr, ...], Field(strict=False)] = ()
    urls_file: PrivateFile | None = None
    syslog: Annotated[str, AfterValidator(_syslog_address)] | None = None
    event_log: bool = False
    event_program: Annotated[str, Field(min_length=1)] = "eventcreate.exe"
    on: Annotated[tuple[Occasion, ...], Field(strict=False)] = (
        "failed",
        "refused",
        "crashed",
        "flagged-new",
        "late",
    )

    def addresses(self) -> tuple[str, ...]:
        """Read all addresses.

        Raises:
            HostFileError: ``urls_file`` cannot be read.
        """
        listed = [url.get_secret_value() for url in self.urls]
        if self.urls_file is not None:
            try:
                lines = self.urls_file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise HostFileError(operation="read", path=self.urls_file, reason=reason) from None
            listed += [line.strip() for line in lines if line.strip() and line[0] != "#"]
        return tuple(listed)


class Site(Section):
    """A whole site file, with the path that it was read from."""

    path: Path
    site: SiteSection
    server: ServerSection
    media: MediaSection
    trust: TrustSection
    policy: PolicySection = PolicySection()
    groups: GroupsSection = GroupsSection()
    check: CheckSection = CheckSection()
    custody: CustodySection = CustodySection()
    audit: AuditSection = AuditSection()
    prefect: PrefectSection = PrefectSection()
    schedule: ScheduleSection = ScheduleSection()
    retention: RetentionSection = RetentionSection()
    notify: NotifySection = NotifySection()

    @property
    def name(self) -> str:
        """The site's name, with which the names of its bundles begin."""
        return self.site.name

    @property
    def side(self) -> Side:
        """The side that this file is for."""
        return self.site.side

    @property
    def state_dir(self) -> Path:
        """The folder of this side's state, reports and locks; absolute."""
        return self.site.state_dir

    @property
    def receipts_dir(self) -> Path:
        """The folder for receipts: on the return medium, or else below the state folder."""
        return self.media.return_path or self.state_dir / "receipts"

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Files that never leave this machine: private keys, passphrases, secrets."""
        files = (
            self.trust.signing_key,
            self.trust.passphrase_file,
            self.trust.receipt_secret,
            self.server.identity_file,
            self.notify.urls_file,
        )
        return tuple(path for path in files if path is not None)
