"""What a WSUS server is and how it is set, and whether that fits a crossing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tasks.names import Count, Side

Guid = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
Int32Count = Annotated[Count, Field(lt=2**31)]
"""What the API counts in an Int32."""
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
ShortText = Annotated[str, Field(min_length=1, max_length=100)]
_POWERSHELL = "$c = (Get-WsusServer).GetConfiguration(); {change}; $c.Save()"


class ServerSettings(BaseModel):
    """The settings that must be equal on both sides, and those that name the server.

    Attributes:
        languages: Codes like ``en`` or ``zh-tw``; without meaning where ``all_languages`` is set.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    server_id: str
    version: str
    protocol_version: str
    download_express: bool
    all_languages: bool
    languages: tuple[str, ...]


class ContentVolume(BaseModel):
    """The volume of the content folder, as the server sees it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    free_bytes: Bytes
    file_system: str


class ServerFacts(ServerSettings):
    """What the script ``read-server`` says of a server; times are aware and UTC.

    Its server is remembered and its counts are sealed, so neither may be what no server has.

    Attributes:
        update_count: Updates that the API shows. It shows no categories, detectoids, bundled
            children or older revisions, so it is never equal to a package's count.
        arrived_since: How many arrived at or after the time asked for; None when not asked.
        service_status: None when Windows does not say.
        content_volume: None where Windows does not say.
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
    """A setting that differs, and how to make it equal on the disconnected server."""

    setting: str
    staging: str
    disconnected: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Both values."""
        return f"{self.setting}: staging {self.staging}, disconnected {self.disconnected}"


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a server cannot be used for a crossing as it is, and what to do about it."""

    reason: str
    remedy: str


def compare_settings(
    staging: ServerSettings, disconnected: ServerSettings
) -> tuple[Difference, ...]:
    """Say which settings must be equal and are not; empty when the bundle may be imported."""
    found: list[Difference] = []
    if staging.protocol_version != disconnected.protocol_version:
        found.append(
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
        found.append(
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
        found.append(
            Difference(
                "languages",
                _languages(staging),
                _languages(disconnected),
                _language_remedy(staging),
            )
        )
    return tuple(found)


def unfit_reasons(facts: ServerFacts, side: Side) -> tuple[Unfit, ...]:
    """Say why a server cannot take part now; empty when it can.

    A replica can be exported from: it only cannot be imported into.
    """
    disconnected = side is Side.DISCONNECTED
    return tuple(
        unfit
        for applies, test, unfit in _RULES
        if (applies == "both" or disconnected) and test(facts)
    )


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


_RULES: tuple[tuple[Literal["both", "disconnected"], Callable[[ServerFacts], bool], Unfit], ...] = (
    (
        "disconnected",
        lambda facts: facts.is_replica,
        Unfit(
            "it is a replica, which takes its updates and approvals from its upstream server",
            "Make it autonomous: Options, Update Source and Proxy Server, clear `This server is a "
            "replica of the upstream server`.",
        ),
    ),
    (
        "disconnected",
        lambda facts: not facts.sync_from_microsoft_update and bool(facts.upstream_server),
        Unfit(
            "it synchronises from an upstream server, and an import would break that",
            "Import into the upstream server instead, or set the source to Microsoft Update: "
            "Options, Update Source and Proxy Server.",
        ),
    ),
    (
        "both",
        lambda facts: facts.synchronization != "NotProcessing",
        Unfit(
            "a synchronisation is running",
            "Wait until it has ended, then run the same command again.",
        ),
    ),
    (
        "both",
        lambda facts: facts.host_binaries_on_microsoft_update,
        Unfit(
            "it keeps no content files: its clients fetch them from Microsoft Update",
            "Store update files locally: Options, Update Files and Languages.",
        ),
    ),
    (
        "both",
        lambda facts: facts.content_dir.startswith(("\\\\", "//")),
        Unfit(
            "its content folder is a network share, where neither permissions nor renames are "
            "what they are on its own disk",
            "Set server.content_dir in the site file to the folder as the file server itself sees "
            "it, or move the content with `wsusutil movecontent`.",
        ),
    ),
)
