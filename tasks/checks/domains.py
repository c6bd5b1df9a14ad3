"""The domains that Microsoft documents for a server that synchronises with Microsoft Update.

Microsoft revises the list: compare it with the page before a firewall is changed by it. There is no
list of addresses, and Microsoft supports no rules by address.
"""

from __future__ import annotations

SOURCE = "Microsoft Learn, Step 2: Configure WSUS"
AS_OF = "2026-10"
DOMAINS = (
    "http://windowsupdate.microsoft.com",
    "http://*.windowsupdate.microsoft.com",
    "https://*.windowsupdate.microsoft.com",
    "http://*.update.microsoft.com",
    "https://*.update.microsoft.com",
    "http://*.windowsupdate.com",
    "http://download.windowsupdate.com",
    "https://download.microsoft.com",
    "http://*.download.windowsupdate.com",
    "http://wustat.windows.com",
    "http://ntservicepack.microsoft.com",
    "http://go.microsoft.com",
    "http://dl.delivery.mp.microsoft.com",
    "https://dl.delivery.mp.microsoft.com",
    "http://*.delivery.mp.microsoft.com",
    "https://*.delivery.mp.microsoft.com",
)


def not_named_in(export: str) -> tuple[str, ...]:
    """List the documented domains that the text of a firewall's export does not name.

    A domain counts as named if the text has it, or a wildcard above it. The scheme is not looked
    for: exports show ports in forms of their own.
    """
    text = export.casefold()
    missing = []
    for domain in DOMAINS:
        host = domain.partition("://")[2]
        if not any(name in text for name in _names_of(host)):
            missing.append(domain)
    return tuple(missing)


def _names_of(host: str) -> tuple[str, ...]:
    labels = host.removeprefix("*.").split(".")
    above = tuple("*." + ".".join(labels[index:]) for index in range(len(labels) - 1))
    return above if host.startswith("*.") else (host, *above[1:])
