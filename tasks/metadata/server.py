"""The facts that every run reads of a WSUS server, and the settings equal on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tasks.names import Count

Guid = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
Int32Count = Annotated[Count, Field(lt=2**31)]
"""A count that the API returns as an Int32."""
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
ShortText = Annotated[str, Field(min_length=1, max_length=100)]
_POWERSHELL = "$c = (Get-WsusServer).GetConfiguration(); {change}; $c.Save()"


class ServerSettings(BaseModel):
    """The server's identity, and the settings that must be equal on both sides.

    Attributes:
        languages: Codes like ``en`` or ``zh-tw``; meaningless if ``all_languages`` is True.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    server_id: str
    version: str
    protocol_version: str
    download_express: bool
    all_languages: bool
    languages: tuple[str, ...]


class ContentVolume(BaseModel):
    """The volume of the content folder on the server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    free_bytes: Bytes
    file_system: str


class ServerFacts(ServerSettings):
    """The answer of the script ``read-server``; times are aware and UTC.

    The types have narrow ranges, because the server's id is remembered and its counts are sealed
    into the bundle.

    Attributes:
        update_count: Number of updates that the API shows. It shows no categories, detectoids,
            bundled children (inferred) or older revisions (observed), so a package has more.
        arrived_since: Number of updates that arrived at or after the requested time; None if no
            time was requested.
        service_status: None if Windows does not report it.
        content_volume: None if Windows does not report it.
    """

    server_id: Guid
    version: ShortText
    protocol_version: ShortText
    languages: Annotated[tuple[ShortText, ...], Field(max_length=200)]
    is_replica: bool
    sync_from_microsoft_update: bool
    upstream_server: str | None
    host_binaries_on_microsoft_update: bool
    download_as_needed: bool
    content_dir: str
    content_volume: ContentVolume | None
    update_count: Int32Count
    declined_count: Int32Count
    approved_count: Int32Count
    arrived_since: Int32Count | None
    synchronization: str
    last_sync_result: str | None
    last_sync_end: AwareDatetime | None
    service_status: str | None
    failed_downloads: Int32Count
    bytes_to_download: Bytes
    bytes_downloaded: Bytes
    active_rules: Int32Count
    auto_approve_infrastructure: bool
    auto_refresh_approvals: bool
    auto_decline_expired: bool
    clock: AwareDatetime


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that differs, with the remedy on the disconnected server."""

    setting: str
    staging: str
    disconnected: str
    remedy: str

    @property
    def sentence(self) -> str:
        """The setting and both values."""
        return f"{self.setting}: staging {self.staging}, disconnected {self.disconnected}"


def compare_settings(
    staging: ServerSettings, disconnected: ServerSettings
) -> tuple[Difference, ...]:
    """Find the settings that must be equal and are not; none if the bundle may be imported.

    Microsoft's guides for disconnected networks (TechNet cc720512 and dd939911) want equal express
    and language settings. ``wsusutil import`` itself refuses a package of another protocol version
    (a message in the WSUS assemblies).
    """
    differences: list[Difference] = []
    if staging.protocol_version != disconnected.protocol_version:
        differences.append(
            Difference(
                "protocol version",
                f"{staging.protocol_version} (WSUS {staging.version})",
                f"{disconnected.protocol_version} (WSUS {disconnected.version})",
                "Bring both servers to the same WSUS version with Windows updates; an export is "
                "only taken by a server of the same protocol version.",
            )
        )
    if staging.download_express != disconnected.download_express:
        change = f"$c.DownloadExpressPackages = ${str(staging.download_express).lower()}"
        differences.append(
            Difference(
                "express installation files",
                _switch(staging.download_express),
                _switch(disconnected.download_express),
                "On the disconnected server, Options, Update Files and Languages: turn express "
                f"installation files {_switch(staging.download_express)}, or "
                f"`{_POWERSHELL.format(change=change)}`",
            )
        )
    if _languages(staging) != _languages(disconnected):
        differences.append(
            Difference(
                "languages",
                _languages(staging),
                _languages(disconnected),
                _language_remedy(staging),
            )
        )
    return tuple(differences)


def _switch(on: bool) -> str:  # noqa: FBT001  # the value of a setting, not a flag
    return "on" if on else "off"


def _languages(settings: ServerSettings) -> str:
    if settings.all_languages:
        return "all"
    return ", ".join(sorted(code.lower() for code in settings.languages)) or "none"


def _language_remedy(staging: ServerSettings) -> str:
    if staging.all_languages:
        change = "$c.AllUpdateLanguagesEnabled = $true"
    else:
        quoted = ", ".join(f"'{code}'" for code in sorted(staging.languages))
        change = (
            "$c.AllUpdateLanguagesEnabled = $false; "
            "$l = New-Object Collections.Specialized.StringCollection; "
            f"$l.AddRange([string[]]@({quoted})); $c.SetEnabledUpdateLanguages($l)"
        )
    return (
        "On the disconnected server, Options, Update Files and Languages: choose the languages "
        f"{_languages(staging)}, or `{_POWERSHELL.format(change=change)}`"
    )
