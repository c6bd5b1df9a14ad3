"""The machine that a WSUS server runs on: system, account, PowerShell, service, clock."""

from __future__ import annotations

from pydantic import AwareDatetime

from tasks.checks.facts.topic import Topic


class Machine(Topic):
    """Facts about Windows and the account that our scripts run as.

    Attributes:
        windows_version: Like ``10.0.20348``.
        is_administrator: True if the account is a local administrator and its rights are in force.
        language_mode: PowerShell's, for example FullLanguage or ConstrainedLanguage.
        execution_policy: The one that group policy sets; ``Undefined`` if it sets none.
        work_volume, content_volume: Names of the volumes of our folder for content and of
            WsusContent.
        time_source: ``Type`` of the Windows time service: NT5DS, NTP, AllSync or NoSync; or
            ``not set``, if the registry has no such value.
        service_status: State of WsusService in Windows' word, for example Running.
    """

    clock: AwareDatetime | None = None
    windows_version: str | None = None
    is_administrator: bool | None = None
    language_mode: str | None = None
    execution_policy: str | None = None
    service_status: str | None = None
    work_volume: str | None = None
    content_volume: str | None = None
    time_source: str | None = None
