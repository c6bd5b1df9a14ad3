"""Make real bundles on this machine's disk, so that every bad one is made from a good one."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tasks.bundle.brings import BroughtUpdate, write_brings
from tasks.bundle.carry import PackJob
from tasks.bundle.checksum_files import Documents
from tasks.bundle.faults import raise_for_faults
from tasks.bundle.header import (
    BundleReference,
    Counts,
    Header,
    StagingFacts,
    TrustedHeader,
    read_header,
    seal_header,
    verify_header,
)
from tasks.bundle.keys import SigningKey, generate_keys, load_signing_key
from tasks.bundle.layout import HEADER, bundle_name, volume_name
from tasks.bundle.manifest import Entry, read_entries
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.pack import Packed, pack_bundle, publish_header
from tasks.bundle.plan import MediaLimits, Plan, plan_bundle
from tasks.bundle.seal import Trust
from tasks.bundle.verify import prove_bundle
from tasks.content.hash_cache import HashCache
from tasks.content.names import ContentDigest, ContentName
from tasks.content.scan import scan
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.names import Mode

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CHAIN = "0123456789abcdef" * 2
FACTS = StagingFacts(
    id="7b1f5a52-8f0e-4a0e-9a52-2b8c1c8f3d11",
    version="10.0.20348.1",
    protocol_version="1.20",
    languages=("de", "en"),
    all_languages=False,
    download_express=False,
    download_as_needed=True,
    host_binaries_on_microsoft_update=False,
    update_count=60,
    approved_count=20,
    declined_count=5,
)
_EXTENSIONS = ("cab", "exe", "txt", "msu", "psf", "esd", "")


def write_content(content_dir: Path, content: bytes, extension: str = "cab") -> ContentName:
    """Put bytes into a content folder under their real name."""
    digest = ContentDigest(hashlib.sha1(content).digest())
    name = ContentName(digest, extension)
    folder = content_dir / name.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name.text).write_bytes(content)
    return name


def fill_content(
    content_dir: Path, count: int, *, seed: int = 1, most_bytes: int = 6_000
) -> list[ContentName]:
    """Put random files into a content folder; one of them is empty."""
    draw = random.Random(seed)
    names = [write_content(content_dir, b"", "txt")] if count else []
    while len(names) < count:
        size = draw.randrange(1, most_bytes)
        names.append(write_content(content_dir, draw.randbytes(size), draw.choice(_EXTENSIONS)))
    return names


@dataclass
class Workshop:
    """A staging server's content, a medium, and keys, in one folder.

    ``server`` and ``media`` are this machine unless a test puts others in their place;
    ``decisions`` are the lines of ``approvals.jsonl``. With ``brings`` its bundles are of format 2.
    """

    root: Path
    site: str = "alpha"
    key: SigningKey = field(init=False)
    server: Host = field(default_factory=LocalHost)
    media: Host = field(default_factory=LocalHost)
    decisions: bytes = b'{"kind":"group","path":["All Computers","Ring 1"]}\n'
    brings: tuple[BroughtUpdate, ...] = ()
    limits: MediaLimits = field(default_factory=lambda: MediaLimits(None, 4_294_967_295))

    def __post_init__(self) -> None:
        for folder in (self.content, self.medium, self.root / "state"):
            folder.mkdir(parents=True, exist_ok=True)
        keys = self.root / "keys"
        if not keys.exists():
            generate_keys(keys)
        self.key = load_signing_key(keys / "signing.key")

    @property
    def content(self) -> Path:
        return self.root / "WsusContent"

    @property
    def medium(self) -> Path:
        return self.root / "media"

    @property
    def trust(self) -> Trust:
        return Trust((self.key.public,))

    def folder(self, sequence: int) -> Path:
        """The run folder of one bundle."""
        folder = self.root / "state" / f"run-{sequence}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def bundle(self, sequence: int = 1) -> Path:
        return self.medium / bundle_name(self.site, sequence)

    def volume(self, sequence: int = 1, number: int = 1) -> Path:
        return self.bundle(sequence) / volume_name(number)

    def job(self, sequence: int = 1) -> PackJob:
        return PackJob(
            server=self.server,
            content_dir=self.server.path(str(self.content)),
            media=self.media,
            bundle=self.media.path(str(self.bundle(sequence))),
            folder=self.folder(sequence),
        )

    def memory(self) -> HashCache:
        return HashCache(self.root / "state" / "hashes.sqlite")

    def documents(self, sequence: int = 1) -> Documents:
        package = self.folder(sequence) / "metadata.xml.gz"
        approvals = self.folder(sequence) / "approvals.jsonl"
        package.write_bytes(gzip.compress(b"<WsusExportPackage/>" * 50, mtime=0))
        approvals.write_bytes(self.decisions)
        return Documents(package, approvals, self._write_brings if self.brings else None)

    def _write_brings(self, _manifest: Path, target: Path) -> None:
        write_brings(target, self.brings or (), base=None)

    def plan(self, sequence: int = 1, *, baseline: Iterable[Entry] = ()) -> Plan:
        documents = self.documents(sequence)
        with self.memory() as memory:
            return plan_bundle(
                scan(
                    self.server,
                    self.server.path(str(self.content)),
                    remembered=memory.lookup,
                ),
                baseline,
                folder=self.folder(sequence),
                limits=self.limits,
                document_bytes=sum(
                    path.stat().st_size for path in (documents.package, documents.approvals)
                ),
            )

    def pack(self, sequence: int = 1, *, baseline: Iterable[Entry] = ()) -> Packed:
        """Do all but the seal."""
        plan = self.plan(sequence, baseline=baseline)
        with self.memory() as memory:
            return pack_bundle(self.job(sequence), plan, self.documents(sequence), memory, now=NOW)

    def header(
        self,
        packed: Packed,
        sequence: int = 1,
        *,
        parent: BundleReference | None = None,
        base: BundleReference | None = None,
    ) -> Header:
        return Header(
            format=1 if packed.brings is None else 2,
            product="wsus-airgap 0.1.0",
            site=self.site,
            chain=CHAIN,
            sequence=sequence,
            parent=parent,
            base=base,
            created=NOW,
            mode=Mode.INCREMENTAL,
            server=FACTS,
            counts=Counts(
                files=packed.manifest.files,
                size_bytes=packed.manifest.size_bytes,
                carried_files=packed.manifest.carried_files,
                carried_bytes=packed.manifest.carried_bytes,
                approvals=0,
                declines=0,
            ),
            manifest=packed.manifest.binding,
            package=packed.package,
            approvals=packed.approvals,
            brings=packed.brings,
            volumes=packed.volumes,
        )

    def export(self, sequence: int = 1, *, previous: Header | None = None) -> Header:
        """Make a whole bundle on the medium; with ``previous`` an incremental one after it."""
        baseline = self.manifest(previous.sequence) if previous else []
        packed = self.pack(sequence, baseline=baseline)
        reference = previous.reference if previous else None
        header = self.header(packed, sequence, parent=reference, base=reference)
        self.publish(header)
        return header

    def publish(self, header: Header) -> None:
        content = seal_header(header, [self.key])
        bundle = self.media.path(str(self.bundle(header.sequence)))
        publish_header(self.media, bundle, content, volumes=len(header.volumes))

    def manifest(self, sequence: int = 1) -> list[Entry]:
        return list(read_entries(self.folder(sequence) / "manifest.jsonl"))

    def trusted(self, sequence: int = 1) -> TrustedHeader:
        path = self.volume(sequence) / HEADER
        return verify_header(read_header(path.read_bytes(), path=str(path)), self.trust)

    def open(self, *folders: Path, sequence: int = 1) -> OpenedBundle:
        return open_bundle(self.media, self.paths(folders or [self.bundle(sequence)]), self.trust)

    def verify(self, *folders: Path, sequence: int = 1) -> OpenedBundle:
        """Open a bundle and prove all of it; its faults say what was found."""
        scratch = self.root / "state" / "scratch"
        scratch.mkdir(exist_ok=True)
        for path in scratch.iterdir():
            path.unlink()
        bundle = self.open(*folders, sequence=sequence)
        prove_bundle(bundle, scratch=scratch)
        return bundle

    def require_whole(self) -> None:
        """Raise what is wrong with the first bundle."""
        bundle = self.verify()
        raise_for_faults(bundle.header.bundle, bundle.faults)

    def paths(self, folders: Sequence[Path]) -> list[HostPath]:
        return [self.media.path(str(folder)) for folder in folders]


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
