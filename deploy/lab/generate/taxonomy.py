"""Companies, product families, products, classifications and detectoids.

Scripts name ids. So the ids of classifications, and of products whose ids Microsoft has
published, are the real ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from deploy.lab.store.records import Revision

MICROSOFT = "56309036-4c77-4dd9-951a-99ee9c246a94"
WINDOWS_FAMILY = "6964aab4-c5b5-43bd-a17d-ffb4346a8e1d"
OFFICE_FAMILY = "477b856e-65c4-4473-b621-a8b230bb70d9"
SQL_FAMILY = "0a4c6c73-8887-4d7f-9cbe-d08fa8fa9d1e"
DEVELOPER_FAMILY = "0a07aea1-9d09-4c1e-8dc7-7469228d8195"
INFRASTRUCTURE = "5964c9f1-8e72-4891-a03a-2aed1c4115d2"

# From the product's id to its name and family.
PRODUCTS = {
    "a3c2375d-0c8a-42f9-bce0-28333e198407": ("Windows 10", WINDOWS_FAMILY),
    "72e7624a-5b00-45d2-b92f-e561c0a6a160": ("Windows 11", WINDOWS_FAMILY),
    "f702a48c-919b-45d6-9aef-ca4248d50397": ("Windows Server 2019", WINDOWS_FAMILY),
    "2c7888b6-f9e9-4ee9-87af-a77705193893": (
        "Microsoft Server operating system-21H2",
        WINDOWS_FAMILY,
    ),
    "8c3fcc84-7410-4a95-8b89-a166a0190486": ("Microsoft Defender Antivirus", WINDOWS_FAMILY),
    "6b1c8c4e-1a2b-4c3d-9e4f-5a6b7c8d9e0f": ("Windows - Client, Drivers", WINDOWS_FAMILY),
    "30eb551c-6288-4716-9a78-f300ec36d72b": ("Microsoft 365 Apps/Office 2019/LTSC", OFFICE_FAMILY),
    "d7f1b2c3-4e5a-4b6c-8d7e-9f0a1b2c3d4e": ("Microsoft SQL Server 2019", SQL_FAMILY),
    "c8a4436c-1043-4288-a065-0f37e9640d60": (".NET Framework", DEVELOPER_FAMILY),
    INFRASTRUCTURE: ("Windows Server Update Services infrastructure", WINDOWS_FAMILY),
}
FAMILIES = {
    WINDOWS_FAMILY: "Windows",
    OFFICE_FAMILY: "Office",
    SQL_FAMILY: "SQL Server",
    DEVELOPER_FAMILY: "Developer Tools, Runtimes, and Redistributables",
}
CLASSIFICATIONS = {
    "Critical Updates": "e6cf1350-c01b-414d-a61f-263d14d133b4",
    "Definition Updates": "e0789628-ce08-4437-be74-2495b842f43b",
    "Drivers": "ebfc1fc5-71a4-4f7b-9aca-3b9a503104a0",
    "Feature Packs": "b54e7d24-7add-428f-8b75-90a396fa584f",
    "Security Updates": "0fa1201d-4330-4fa8-8ae9-b877473b6441",
    "Service Packs": "68c5b0a3-d1a6-4553-ae49-01d3a7827828",
    "Tools": "b4832bd8-e735-4761-8daf-37f882276dab",
    "Update Rollups": "28bc880e-0592-4cbf-8f95-c79b17911d5f",
    "Updates": "cd5ffd1e-e932-4e3a-bf74-18bf0b1bbd83",
    "Upgrades": "3689bdc8-b205-4af4-8d4a-a63924c5e9d5",
}
DETECTOIDS = {
    "59653007-e2e9-4f71-8525-2ff588527978": "x64-based systems",
    "3e0afb10-a9fb-4c16-a60e-5790c3803437": "x86-based systems",
    "bf6c4a1d-5f0e-4c5b-8f0a-2d3e4f5a6b7c": "ARM64-based systems",
    "05eebf61-148b-43cf-80da-1c99ab0b8699": "Windows Update supports bundles",
}
X64 = next(iter(DETECTOIDS))

_CREATED = "2019-03-12T17:00:00Z"


def product(name: str) -> str:
    """The id of a product by its name."""
    return next(guid for guid, (product_name, _) in PRODUCTS.items() if product_name == name)


def built_in() -> Iterator[Revision]:
    """The revisions of a fresh server, before its first synchronisation or import."""
    yield _entry(MICROSOFT, "category", "Microsoft", {"category_type": "Company"})
    for name, guid in CLASSIFICATIONS.items():
        yield _entry(guid, "classification", name, {})


def synchronized() -> Iterator[Revision]:
    """The revisions of this module that come with the first catalogue."""
    for guid, name in FAMILIES.items():
        yield _entry(
            guid, "category", name, {"category_type": "ProductFamily", "parent": MICROSOFT}
        )
    for guid, (name, family) in PRODUCTS.items():
        yield _entry(guid, "product", name, {"category_type": "Product", "parent": family})
    for guid, name in DETECTOIDS.items():
        yield _entry(guid, "detectoid", name, {})


def detectoid(guid: str, number: int) -> Revision:
    """One of the many detectoids on whose names nothing depends."""
    return _entry(guid, "detectoid", f"Windows component {number} is present", {})


def further_product(guid: str, number: int) -> Revision:
    """One of the many products that a server does not subscribe to."""
    details = {"category_type": "Product", "parent": WINDOWS_FAMILY}
    return _entry(guid, "product", f"Windows component set {number}", details)


def _entry(guid: str, kind: str, title: str, details: dict[str, str]) -> Revision:
    return Revision(
        update_id=guid,
        revision=100,
        kind=kind,
        title=title,
        created=_CREATED,
        arrived=_CREATED,
        description="" if kind == "detectoid" else title,
        explicitly_deployable=False,
        details=details,
    )
