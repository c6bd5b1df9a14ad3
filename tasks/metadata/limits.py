"""Limits above which a metadata package counts as hostile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings of the reader; a site has no reason to change them.

    The largest known values are those of one product, Windows 11, on a Windows Server 2025 WSUS
    (statistics published by the project wsus-rs in October 2026).

    Attributes:
        plain_bytes: Bytes of XML in all. Full catalogues passed 2 GB in 2013 (WSUS product team
            blog, 2013-04-09); the limit is thirty times as high.
        ratio: Bytes of XML per byte of package. Synthetic catalogues of real shape pack up to
            1:112; gzip can reach 1:1032, so a ratio above 400 is deliberate.
        free_bytes: Bytes of XML up to which the ratio is ignored, since small files may be very
            regular.
        element_bytes: Bytes of XML of one update, or of anything else between two elements that we
            read. The largest known update has 46,887,043, a sixth more when it is escaped. Nothing
            keeps them, so the limit is on time, not on memory.
        token_bytes: Bytes of one tag, comment or instruction, which the parser keeps whole. libxml2
            allows 10 MB; the largest known tag of an update is far below 10 kB.
        depth: Levels of elements, in the package and again in an update. libxml2's limit.
        entries: Files, children, prerequisites and superseded updates of one update, and languages;
            the limit is on memory. All updates of Windows 11 together supersede 16,664.
        vocabulary_characters: Characters of all different names of elements and attributes and of
            all namespaces, which the parser keeps until the end.
        prolog_bytes: Bytes up to the end of the root element's start tag.
        piece_bytes: Bytes of XML in memory at once.
        languages, mapped_files, revisions: Number of elements of each kind.
        name_characters: Characters of a file's name or address, or of a language's code.
    """

    plain_bytes: int = 64 * 1024**3
    ratio: int = 400
    free_bytes: int = 64 * 1024**2
    element_bytes: int = 256 * 1024**2
    token_bytes: int = 4 * 1024**2
    depth: int = 256
    entries: int = 50_000
    vocabulary_characters: int = 4 * 1024**2
    prolog_bytes: int = 64 * 1024
    piece_bytes: int = 256 * 1024
    languages: int = 1_000
    mapped_files: int = 4_000_000
    revisions: int = 1_000_000
    name_characters: int = 2_000
