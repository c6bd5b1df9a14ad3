"""The shapes of generated updates: which children and files an update of each kind has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deploy.lab.generate.draft import LANGUAGES, SHAPE_COUNT, Draft, bundle
from deploy.lab.store.records import Revision


def _cumulative(draft: Draft) -> tuple[Revision, ...]:
    """A cumulative update: every other one is of the Unified Update Platform."""
    if draft.number // 3 // SHAPE_COUNT % 2:
        return _unified(draft)
    plain = (
        f"{draft.day:%Y-%m} Cumulative Update for Windows 10 Version 22H2 for"
        f" {draft.architecture}-based Systems"
    )
    parent = draft.revision(draft.title(plain), "Windows 10", "Security Updates")
    stem = f"windows10.0-kb{draft.kb}-{draft.architecture}"
    endings = (".cab", ".msu", "-ssu.cab", ".wim", "_metadata.cab", "-baseless.msu")
    files = [draft.file(stem + ending) for ending in endings[: 6 if draft.rich else 2]]
    files.append(draft.file(f"{stem}-express.psf", kind="express"))
    child = draft.child(parent, draft.architecture, tuple(files))
    return bundle(replace(parent, supersedes=draft.previous()), child)


def _unified(draft: Draft) -> tuple[Revision, ...]:
    plain = (
        f"{draft.day:%Y-%m} Cumulative Update for Windows 11 Version 24H2 for"
        f" {draft.architecture}-based Systems"
    )
    parent = draft.revision(draft.title(plain), "Windows 11", "Security Updates")
    stem = f"Windows11.0-KB{draft.kb}-{draft.architecture}"
    names = [f"{draft.catalogue.guid(f'metadata {draft.number}')}_Wsus.AggregatedMetadata.cab"]
    names += [f"{stem}.psf", f"SSU-26100.{draft.number}-{draft.architecture}-express.cab"]
    names += [f"{stem}.wim", f"{stem}.msu", f"{stem}_FeatureOnDemand.wim", "DesktopDeployment.cab"]
    files = tuple(draft.file(name) for name in names[: 7 if draft.rich else 2])
    child = draft.child(parent, "OSInstaller", files)
    return bundle(replace(parent, supersedes=draft.previous()), child)


def _office(draft: Draft) -> tuple[Revision, ...]:
    parent = draft.revision(
        draft.title("Security Update for Microsoft Office 2019 64-Bit Edition"),
        "Microsoft 365 Apps/Office 2019/LTSC",
        "Security Updates",
    )
    children = []
    for language in ("x-none", *(LANGUAGES if draft.rich else ("en", "fr"))):
        stem = f"office2019-kb{draft.kb}-{language}"
        files = [draft.file(f"{stem}.cab")]
        if draft.rich:
            files.append(draft.file(f"{stem}-proof.cab"))
        spoken = () if language == "x-none" else (language,)
        children.append(draft.child(parent, language, tuple(files), spoken))
    return bundle(parent, *children)


def _definition(draft: Draft) -> tuple[Revision, ...]:
    version = f"1.{400 + draft.number % 100}.{draft.number}.0"
    plain = f"Security Intelligence Update for Microsoft Defender Antivirus (Version {version})"
    parent = draft.revision(
        draft.title(plain), "Microsoft Defender Antivirus", "Definition Updates"
    )
    names = ["AM_Base", "AM_Delta", "AM_Engine", "NIS_Full", "AM_Slim_Delta", "MPAM_FE", "MPAM_D"]
    children = []
    for name in names[: 7 if draft.rich else 2]:
        files = (draft.file(f"{name}.exe"),)
        children.append(draft.child(parent, f"{name} {version}", files))
    return bundle(replace(parent, supersedes=draft.previous()), *children, groups=4)


def _driver(draft: Draft) -> tuple[Revision, ...]:
    title = f"Contoso - Net - 10.{draft.number % 50}.{draft.number}.4"
    revision = draft.revision(title, "Windows - Client, Drivers", "Drivers")
    files = tuple(
        draft.file(f"{draft.number}_{part}.cab") for part in range(5 if draft.rich else 1)
    )
    return (replace(revision, files=files),)


def _framework(draft: Draft) -> tuple[Revision, ...]:
    plain = f"{draft.day:%Y-%m} Cumulative Update for .NET Framework 3.5 and 4.8.1"
    parent = draft.revision(draft.title(plain), ".NET Framework", "Updates")
    children = []
    for part in ("ndp35", "ndp48", "ndp481")[: 3 if draft.rich else 1]:
        stem = f"{part}-kb{draft.kb}-{draft.architecture}"
        files = (draft.file(f"{stem}.msu"), draft.file(f"{stem}.cab"))
        children.append(draft.child(parent, part, files))
    return bundle(parent, *children)


def _upgrade(draft: Draft) -> tuple[Revision, ...]:
    plain = f"Windows 11, version 23H2 {draft.architecture} 20{draft.day:%y-%m}B"
    revision = draft.revision(draft.title(plain), "Windows 11", "Upgrades")
    stem = f"22631.{draft.number}.ni_release_client"
    names = [f"{stem}.{part}.cab" for part in range(5 if draft.rich else 1)]
    files = (draft.esd(f"{stem}_vol.esd"), *(draft.file(name) for name in names))
    return (replace(revision, files=files),)


def _licensed(draft: Draft) -> tuple[Revision, ...]:
    plain = f"SQL Server 2019 RTM Cumulative Update {draft.number % 30 + 1}"
    revision = draft.revision(draft.title(plain), "Microsoft SQL Server 2019", "Updates")
    license_id, terms = draft.license()
    names = [f"sqlserver2019-kb{draft.kb}-x64{part}.exe" for part in ("", "-tools")]
    files = tuple(draft.file(name) for name in names[: 2 if draft.rich else 1])
    return (replace(revision, license_id=license_id, files=(*files, *terms)),)


def _tool(draft: Draft) -> tuple[Revision, ...]:
    """A tool, or a package of the Store."""
    if draft.number // 3 // SHAPE_COUNT % 2:
        return _app(draft)
    plain = f"Windows Malicious Software Removal Tool x64 - v5.{draft.number}"
    revision = draft.revision(draft.title(plain), "Windows 10", "Update Rollups")
    names = [f"windows-kb{draft.kb}-x64-v5.{draft.number}.exe"]
    names += [f"mrt-{part}-{draft.number}.exe" for part in ("base", "delta", "engine")]
    files = tuple(draft.file(name) for name in names[: 4 if draft.rich else 1])
    return (replace(revision, files=files),)


def _app(draft: Draft) -> tuple[Revision, ...]:
    title = draft.title(f"Contoso.VCLibs.140.00 14.0.{draft.number}.0")
    revision = draft.revision(title, "Windows 11", "Updates")
    package = draft.catalogue.guid(f"app {draft.number}")
    names = [f"{package}.appx", f"Abm_{package}.cab", f"{package}.msixbundle", f"{package}.msix"]
    files = tuple(draft.file(name) for name in names[: 4 if draft.rich else 1])
    return (replace(revision, files=files),)


def _empty(draft: Draft) -> tuple[Revision, ...]:
    plain = f"Servicing preparation for Windows Server 2019, part {draft.number}"
    return (draft.revision(draft.title(plain), "Windows Server 2019", "Critical Updates"),)


def _revised(draft: Draft) -> tuple[Revision, ...]:
    plain = f"{draft.day:%Y-%m} Update for Microsoft server operating system version 21H2"
    product = "Microsoft Server operating system-21H2"
    first = draft.revision(draft.title(plain), product, "Critical Updates")
    stem = f"windows10.0-kb{draft.kb}-x64-21h2"
    files = tuple(draft.file(f"{stem}-{part}.msu") for part in range(6 if draft.rich else 1))
    return tuple(
        replace(first, revision=200 + step, files=files, description=f"{first.description} {step}")
        for step in range(3)
    )


SHAPES: tuple[tuple[str, Callable[[Draft], tuple[Revision, ...]]], ...] = (
    ("cumulative", _cumulative),
    ("office", _office),
    ("definition", _definition),
    ("driver", _driver),
    ("licensed", _licensed),
    ("framework", _framework),
    ("upgrade", _upgrade),
    ("tool", _tool),
    ("empty", _empty),
    ("revised", _revised),
)
