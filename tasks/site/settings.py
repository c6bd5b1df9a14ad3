"""The site file as frozen models. Unknown keys and wrong types are errors; defaults stand here.

Validated with the context that ``tasks.site.paths`` describes; all paths are absolute once read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from tasks.approvals.policy import ApprovalPolicy, Share
from tasks.errors import UsageError
from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.names import Count, Mode, Side, SiteName
from tasks.site.paths import LocalFile, LocalFiles, LocalPath, MountPath, ServerCommand, ServerPath


def _server_address(address: str) -> str:
    if address != LOCAL:
        try:
            parse_ssh_address(address)
        except UsageError as error:
            raise ValueError(error.message) from None
    return address


def _pinned(known_hosts: Path | None, info: ValidationInfo) -> Path | None:
    # An address that was refused is one that was meant for SSH.
    if known_hosts is None and info.data.get("address") != LOCAL:
        raise ValueError("needed with an ssh:// address (strict host keys)")
    return known_hosts


def _within_keys(threshold: int, info: ValidationInfo) -> int:
    keys = info.data.get("trusted_keys")
    if keys is not None and threshold > len(keys):
        raise ValueError("higher than the number of trusted keys")
    return threshold


def _web_address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    return url


class Section(BaseModel):
    """A table of the site file: frozen, with no key but those of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)


class SiteSection(Section):
    """``[site]``: who we are."""

    name: SiteName
    side: Annotated[Side, Field(strict=False)]
    state_dir: LocalPath = Path("state")


class ServerSection(Section):
    """``[server]``: the WSUS server of this side and how to reach it.

    ``command_limit_hours`` is when a running wsusutil raises an alarm; nothing is killed.
    ``script_limit_minutes`` is how long one question to the server may take.
    ``service_wait_seconds`` is how long a service that was started may take to run.
    """

    address: Annotated[str, AfterValidator(_server_address)] = LOCAL
    platform: Annotated[Platform, Field(strict=False)] = Platform.WINDOWS
    identity_file: LocalFile | None = None
    known_hosts: Annotated[LocalPath | None, AfterValidator(_pinned)] = None
    content_dir: ServerPath | None = None
    wsusutil: ServerCommand = (r"C:\Program Files\Update Services\Tools\WsusUtil.exe",)
    powershell: ServerCommand = ("powershell.exe",)
    work_dir: ServerPath = r"C:\ProgramData\wsus-airgap"
    scripts_dir: ServerPath | None = None
    command_limit_hours: float = Field(default=12, gt=0)
    script_limit_minutes: float = Field(default=30, gt=0)
    service_wait_seconds: float = Field(default=60, gt=0)


class MediaSection(Section):
    """``[media]``: where media are mounted on the orchestrator."""

    path: MountPath
    return_path: LocalPath | None = None
    volume_bytes: Annotated[int, Field(ge=1_000_000)] | None = None
    read_back: bool = True
    max_file_bytes: Annotated[int, Field(ge=1_000_000)] = 4_294_967_295


class TrustSection(Section):
    """``[trust]``: our own key, whom we believe, and how old a bundle may be."""

    signing_key: LocalFile
    trusted_keys: LocalFiles
    receipt_secret: LocalFile | None = None
    threshold: Annotated[int, Field(ge=1), AfterValidator(_within_keys)] = 1
    max_bundle_age_days: Annotated[int, Field(ge=1)] = 90
    max_quiet_days: Annotated[int, Field(ge=1)] = 45


class PolicySection(ApprovalPolicy, Section):
    """``[policy]``: what to do where there is a choice; the default is the careful one.

    Of approvals it says what ``ApprovalPolicy`` says, under the same names.
    """

    mode: Annotated[Mode, Field(strict=False)] = Mode.INCREMENTAL
    baseline: Literal["receipt", "sent"] = "receipt"
    on_gap: Literal["refuse", "accept"] = "refuse"
    max_deletes: Count = 10_000
    max_delete_share: Share = 0.5
    max_delete_bytes: Count = 500_000_000_000


class PrefectSection(Section):
    """``[prefect]``: the API to run flows against; left out, an embedded server is used."""

    api_url: Annotated[str, AfterValidator(_web_address)] | None = None


class Site(Section):
    """A whole site file, with the path that it was read from."""

    path: Path
    site: SiteSection
    server: ServerSection
    media: MediaSection
    trust: TrustSection
    policy: PolicySection = PolicySection()
    prefect: PrefectSection = PrefectSection()

    @property
    def name(self) -> str:
        """The site's name, which names its bundles too."""
        return self.site.name

    @property
    def side(self) -> Side:
        """The network that this file is for."""
        return self.site.side

    @property
    def state_dir(self) -> Path:
        """Absolute folder of state, reports and locks of this side."""
        return self.site.state_dir

    @property
    def receipts_dir(self) -> Path:
        """Where receipts are written: the return medium, else below the state folder."""
        return self.media.return_path or self.state_dir / "receipts"
