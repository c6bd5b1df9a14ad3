"""Names and folders of a bundle. We choose them or build them from digests, never from media."""

from __future__ import annotations

import re

from tasks.content.names import ContentName
from tasks.hosts.paths import HostPath

HEADER = "header.json"
BLAKE3SUMS = "BLAKE3SUMS"
SHA1SUMS = "SHA1SUMS"
MANIFEST = "manifest.jsonl"
PACKAGE = "metadata.xml.gz"
APPROVALS = "approvals.jsonl"
BRINGS = "brings.jsonl"
CONTENT = "content"

DOCUMENTS = (APPROVALS, BRINGS, MANIFEST, PACKAGE)
"""Documents in the first volume only, in the order of the lists; format 1 has no ``BRINGS``."""

LISTS = (BLAKE3SUMS, SHA1SUMS)
PART_MARK = ".part-"
_BUNDLE = re.compile(r".+-[1-9][0-9]*", re.ASCII)
_VOLUME = re.compile(r"volume-([0-9]{3})")


def bundle_name(site: str, sequence: int) -> str:
    """Return the name of a bundle's folder."""
    return f"{site}-{sequence}"


def is_bundle_name(name: str) -> bool:
    """Return True if a folder's name can be the name of a bundle."""
    return volume_number(name) is None and _BUNDLE.fullmatch(name) is not None


def volume_name(number: int) -> str:
    """Return the name of a volume's folder, ``volume-001``."""
    return f"volume-{number:03d}"


def volume_number(name: str) -> int | None:
    """Parse the name of a volume's folder; None if it is another name."""
    match = _VOLUME.fullmatch(name)
    return int(match[1]) if match else None


def part_name(name: ContentName, number: int) -> str:
    """Return the name of a part of a file, ``CB6F….esd.part-001``; numbers begin at 1."""
    return f"{name.text}{PART_MARK}{number:03d}"


def listed_path(folder: str, file_name: str) -> str:
    """Return a content file's path for the lists: relative to the volume, forward slashes."""
    return f"{CONTENT}/{folder}/{file_name}"


def volume_folder(bundle: HostPath, number: int) -> HostPath:
    """Return the folder of a volume in a bundle's folder."""
    return bundle.joined(volume_name(number))


def allowed_names(number: int, *, has_brings: bool = True) -> frozenset[str]:
    """Return the names that are allowed directly in a volume; format 1 has no ``BRINGS``."""
    names = {HEADER, *LISTS, CONTENT}
    if number == 1:
        names |= set(DOCUMENTS) - (set() if has_brings else {BRINGS})
    return frozenset(names)
