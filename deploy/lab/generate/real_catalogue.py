"""A catalogue with the statistics of a real one: the product Windows 11 in October 2026.

They were measured on a Windows Server 2025 (EVIDENCE.md): 5,253 revisions, of which 3,710 are
detectoids, 448 categories and 561 bundles; 1,184 MB of XML, nearly all of it in 46 documents, of
which the largest has 46,887,043 bytes. The sizes are the same for each seed, all else follows from
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deploy.lab.generate import taxonomy
from deploy.lab.generate.catalogue import Catalogue, Entry, role_of
from deploy.lab.generate.draft import Draft, bundle
from deploy.lab.store.records import Revision

BUNDLES = 561
CATEGORIES = 448
_DETECTOIDS = 3_710
# The bundled children by their handler; a bundle beyond them shares the child of another.
_OS_INSTALLER, _CBS, _COMMAND_LINE = 297, 144, 84
_CHILDREN = _OS_INSTALLER + _CBS + _COMMAND_LINE
# The statistics do not say what the other revisions are: bundles with an earlier revision here.
_EARLIER = 9
# A line of succession: each update supersedes all earlier ones of its line.
_LINES = 17

# The documents of the Cbs children by size in bytes: how many, the smallest, the largest.
_DOCUMENT_SIZES = (
    (72, 50_662, 166_000),
    (20, 167_067, 413_000),
    (6, 420_000, 990_000),
    (36, 8_500_000, 33_000_000),
    (10, 33_600_000, 46_887_043),
)
# Files of one OSInstaller child; about 13 in a real one, whose sizes are drawn like all others'.
_UNIFIED_FILES = (
    "Wsus.AggregatedMetadata.cab",
    "SSU-26100.1-x64.cab",
    "SSU-26100.1-x64-express.cab",
    "LanguagePackClient.wim",
    "Edition.wim",
    "FeatureOnDemand.wim",
    "Windows11.0-x64.psf",
    "Windows11.0-x64-baseless.psf",
    "Windows11.0-x64.cab",
    "Windows11.0-x64-baseless.cab",
    "FoDMetadata_Client.cab",
    "DesktopDeployment.cab",
    "Windows11.0-x64.msu",
)


# Content files of updates that are approved or were once, which lie on staging's disk.
FILES_ON_DISK = 2_045


def document_sizes() -> list[int]:
    """The sizes of the documents of all Cbs children, ascending, in bytes."""
    return [
        first + (last - first) * step // (count - 1)
        for count, first, last in _DOCUMENT_SIZES
        for step in range(count)
    ]


def taxonomy_of(catalogue: Catalogue) -> Iterator[Revision]:
    """The categories that make the number full, and the detectoids."""
    present = sum(1 for _ in taxonomy.built_in()) + len(taxonomy.FAMILIES) + len(taxonomy.PRODUCTS)
    for number in range(CATEGORIES - present):
        yield taxonomy.further_product(catalogue.guid(f"product {number}"), number)
    for number in range(_DETECTOIDS - len(taxonomy.DETECTOIDS)):
        yield taxonomy.detectoid(catalogue.guid(f"detectoid {number}"), number)


def entries(catalogue: Catalogue) -> Iterator[Entry]:
    """The bundles with their children, by number from 0."""
    sizes = document_sizes()
    for number in range(BUNDLES):
        draft = Draft(catalogue, number, rich=False)
        parent = draft.revision(_title(draft), "Windows 11", "Security Updates")
        older = range(number - _LINES, -1, -_LINES)
        supersedes = tuple(catalogue.guid(f"update {earlier}") for earlier in older)
        child = replace(
            _child(draft, parent, sizes),
            supersedes=tuple(catalogue.guid(f"child {earlier} Windows11") for earlier in older),
        )
        revisions = bundle(replace(parent, supersedes=supersedes), child)
        # A shared child came with its first bundle.
        own = revisions if number < _CHILDREN else revisions[1:]
        if number < _EARLIER:
            own = (*own[:-1], replace(own[-1], revision=199), own[-1])
        yield Entry(number, role_of(number), "real", own)


def _title(draft: Draft) -> str:
    return draft.title(f"{draft.day:%Y-%m} Cumulative Update for Windows 11, version 22H2 for x64")


def _child(draft: Draft, parent: Revision, sizes: list[int]) -> Revision:
    number = draft.number if draft.number < _CHILDREN else draft.number - _CHILDREN
    first = draft if number == draft.number else Draft(draft.catalogue, number, rich=False)
    if number < _OS_INSTALLER:
        names = [f"{draft.catalogue.guid(f'file {number}')}_{name}" for name in _UNIFIED_FILES]
        return first.child(parent, "Windows11", tuple(first.file(name) for name in names))
    if number < _OS_INSTALLER + _CBS:
        files = (first.file(f"Windows10.0-KB{first.kb}-x64.cab"),)
        # Spread over the roles, so that a third of the large documents is of approved updates.
        size = sizes[(number - _OS_INSTALLER) * 5 % _CBS]
        child = first.child(parent, "Windows11", files)
        return replace(child, details={**child.details, "document_bytes": size})
    return first.child(parent, "Windows11", (first.file("Setup.exe"),))
