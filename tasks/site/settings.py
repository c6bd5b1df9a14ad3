"""The site file as frozen models. Unknown keys and wrong types are errors; defaults stand here.

Paths are absolute once read: those of this machine relative to the site file's folder, those of
the server (``content_dir``, ``wsusutil``, ``powershell``, ``work_dir``, ``scripts_dir``) likewise
where they are relative and its platform is posix, else as they stand.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from tasks.hosts.paths import Platform

SiteName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Side(StrEnum):
    """Which of the two networks a site file belongs to."""

    STAGING = "staging"
    DISCONNECTED = "disconnected"


class Mode(StrEnum):
    """What a bundle asks of the disconnected side beyond bringing what it lacks."""

    INCREMENTAL = "incremental"
    MIRROR = "mirror"


class Section(BaseModel):
    """A table of the site file: frozen, and no key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SiteSection(Section):
    """``[site]``: who we are."""

    name: SiteName
    side: Annotated[Side, Field(strict=False)]
    state_dir: Path = Field(default=Path("state"), strict=False)


class ServerSection(Section):
    """``[server]``: the WSUS server of this side and how to reach it.

    ``command_limit_hours`` is when a running wsusutil raises an alarm; nothing is killed.
    ``script_limit_minutes`` is how long one question to the server may take.
    ``service_wait_seconds`` is how long a service that was started may take to run.
    """

    address: str = Field(default="local", pattern=r"^(local|ssh://[^\s/]+)$")
    platform: Annotated[Platform, Field(strict=False)] = Platform.WINDOWS
    identity_file: Path | None = Field(default=None, strict=False)
    known_hosts: Path | None = Field(default=None, strict=False)
    content_dir: str | None = None
    wsusutil: tuple[str, ...] = Field(
        default=(r"C:\Program Files\Update Services\Tools\WsusUtil.exe",),
        min_length=1,
        strict=False,
    )
    powershell: tuple[str, ...] = Field(default=("powershell.exe",), min_length=1, strict=False)
    work_dir: str = r"C:\ProgramData\wsus-airgap"
    scripts_dir: str | None = None
    command_limit_hours: float = Field(default=12, gt=0)
    script_limit_minutes: float = Field(default=30, gt=0)
    service_wait_seconds: float = Field(default=60, gt=0)


class MediaSection(Section):
    """``[media]``: where media are mounted on the orchestrator."""

    path: Path = Field(strict=False)
    return_path: Path | None = Field(default=None, strict=False)
    volume_bytes: Annotated[int, Field(ge=1_000_000)] | None = None
    read_back: bool = True
    max_file_bytes: Annotated[int, Field(ge=1_000_000)] = 4_294_967_295


class TrustSection(Section):
    """``[trust]``: our own key, whom we believe, and how old a bundle may be."""

    signing_key: Path = Field(strict=False)
    trusted_keys: tuple[Path, ...] = Field(min_length=1, strict=False)
    receipt_secret: Path | None = Field(default=None, strict=False)
    threshold: Annotated[int, Field(ge=1)] = 1
    max_bundle_age_days: Annotated[int, Field(ge=1)] = 90
    max_quiet_days: Annotated[int, Field(ge=1)] = 45

    @field_validator("trusted_keys", mode="before")
    @classmethod
    def _each_a_path(cls, value: object) -> object:
        if isinstance(value, list):
            return tuple(Path(item) if isinstance(item, str) else item for item in value)
        return value


class PolicySection(Section):
    """``[policy]``: what to do where there is a choice; the default is the careful one.

    A share counts only from ten on. ``licence_terms``: ``hold`` waits for a person to accept
    them in the WSUS console, ``accept`` accepts what staging accepted and records it.
    """

    mode: Annotated[Mode, Field(strict=False)] = Mode.INCREMENTAL
    baseline: Literal["receipt", "sent"] = "receipt"
    on_gap: Literal["refuse", "accept"] = "refuse"
    licence_terms: Literal["hold", "accept"] = "hold"
    min_deadline_days: Count = 7
    max_removals: Count = 100
    max_declines: Count = 500
    max_undeclines: Count = 100
    max_uninstalls: Count = 50
    max_share: Share = 0.25
    max_lost_share: Share = 0.25
    max_deletes: Count = 10_000
    max_delete_share: Share = 0.5
    max_delete_bytes: Count = 500_000_000_000


class PrefectSection(Section):
    """``[prefect]``: the API to run flows against; left out, an embedded server is used."""

    api_url: str | None = Field(default=None, pattern=r"^https?://")


class Site(Section):
    """A whole site file, with the path that it was read from."""

    path: Path = Field(strict=False)
    site: SiteSection
    server: ServerSection = ServerSection()
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
