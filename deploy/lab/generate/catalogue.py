"""A catalogue like Microsoft's, generated from a seed.

Each update follows from the seed and its own number alone. So a catalogue of any size can be
streamed, and a later month continues the numbers of the first. The number also determines the
role of an update: every third is to be approved and has many files; every sixth was approved once
and its files still exist; some are declined, some expired; the rest have no content.
"""

from __future__ import annotations

import base64
import hashlib
import math
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from statistics import NormalDist

from deploy.lab.generate import content_bytes, taxonomy
from deploy.lab.store.records import File, Revision

# The visible updates of month ``m`` are numbered from ``m`` times this.
MONTH_NUMBERS = 1_000_000
# Files on staging's disk per visible update, over a cycle of shapes and roles.
FILES_ON_DISK = 1.7

_FIRST_DAY = datetime(2023, 6, 13, 17, tzinfo=UTC)
_GOLDEN = 0.6180339887498949
_SPREAD = 1.6
_NORMAL = NormalDist()
_LANGUAGES = ("en", "de", "ja", "fr")

# Titles of kinds that broke scripts; {kb} stands for the article.
_ODD_TITLES = (
    "2024-05 x64 ベース システム用 Windows Server 2019 の累積更新プログラム ({kb})",
    'Update for "Contoso $Agent" `beta` & <tools> 100% ({kb})',
    "تحديث أمان لنظام التشغيل Windows 10 ({kb})",
    "Sicherheitsupdate für Büro-Anwendungen – größere Fassung ({kb})",
    "It's $(Get-Date) o'clock; ${env:PATH} 'quoted' ({kb})",
    "Emoji 🎉 update 👩‍💻 for Windows 11 ({kb})",
    "Kumulatives Update\nin zwei Zeilen\tmit Tabulator ({kb})",
    "Обновление безопасности «Кавычки» для .NET \\ Framework ({kb})",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One visible update.

    Attributes:
        role: The decision of staging's administrators: ``approved``, ``kept`` (approved once),
            ``declined`` or ``listed`` (none).
        revisions: First the bundled children, then the update's own revisions, the newest last.
    """

    number: int
    role: str
    shape: str
    revisions: tuple[Revision, ...]

    @property
    def newest(self) -> Revision:
        """The update's newest revision."""
        return self.revisions[-1]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The generator of a catalogue.

    Attributes:
        mean_bytes: The mean size of a file.
    """

    seed: int
    mean_bytes: float

    def entry(self, number: int) -> Entry:
        """The visible update of a number."""
        role = _role(number)
        draft = _Draft(self, number, rich=role == "approved")
        shape, make = _SHAPES[number // 3 % len(_SHAPES)]
        revisions = make(draft)
        if role == "listed" and number % 12 == 11:
            revisions = (*revisions[:-1], replace(revisions[-1], publication="Expired"))
        return Entry(number, role, shape, revisions)

    def guid(self, key: str) -> str:
        """A GUID that follows from the seed."""
        raw = hashlib.blake2b(f"{self.seed} {key}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=raw, version=4))

    def later_revision(self, newest: Revision, created: str, arrived: str) -> Revision:
        """Make an update's next revision: new bytes in its first file, and a new description."""
        draft = _Draft(self, int(newest.details["number"]), rich=True)
        files = newest.files
        if files:
            # Sorted by name: the choice must not depend on the order in which the files come.
            first, *others = sorted(files, key=lambda file: file.name)
            files = (draft.file(f"r{newest.revision + 1}-{first.name}", created=created), *others)
        return replace(
            newest,
            revision=newest.revision + 1,
            created=created,
            arrived=arrived,
            description=f"{newest.description} (revised)",
            files=files,
        )

    def expired_revision(self, newest: Revision, created: str, arrived: str) -> Revision:
        """Make the revision by which Microsoft withdraws an update: the same files, expired."""
        return replace(
            newest,
            revision=newest.revision + 1,
            created=created,
            arrived=arrived,
            publication="Expired",
        )

    def size_bytes(self, serial: int) -> int:
        """The size of a file: log-normal, spread so that even a few files have the mean size."""
        # The fractional parts of multiples of the golden ratio spread any run of numbers evenly.
        share = (serial * _GOLDEN + _start(self.seed)) % 1.0
        share = min(max(share, 0.0005), 0.9995)
        middle = math.log(self.mean_bytes) - _SPREAD**2 / 2
        return int(math.exp(middle + _SPREAD * _NORMAL.inv_cdf(share)))


@lru_cache(maxsize=8)
def _start(seed: int) -> float:
    return random.Random(seed).random()


def _role(number: int) -> str:
    if number % 3 == 0:
        return "approved"
    if number % 3 == 1 and (number // 3 + number // 30) % 2 == 0:
        return "kept"
    return "declined" if number % 12 == 5 else "listed"


class _Draft:
    """An update in the making, with the count of its files and its dates."""

    def __init__(self, catalogue: Catalogue, number: int, *, rich: bool) -> None:
        self.catalogue = catalogue
        self.number = number
        self.rich = rich
        self.draw = random.Random(f"update {catalogue.seed} {number}")
        month, within = divmod(number, MONTH_NUMBERS)
        day = self.draw.randrange(560) if month == 0 else 574 + 28 * month + within % 14
        moment = _FIRST_DAY + timedelta(days=day)
        self.created = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.arrived = (moment + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.day = moment
        # Two variants of one update, for two architectures, share an article.
        self.architecture = "arm64" if number % 10 == 1 else "x64"
        article = number - 1 if number % 10 == 1 else number
        self.kb = str(5_010_000 + catalogue.seed % 900 * 7 + article)
        self._serial = number * 11

    @property
    def update_id(self) -> str:
        return self.catalogue.guid(f"update {self.number}")

    def previous(self) -> tuple[str, ...]:
        """The id of an older update, for this update to supersede."""
        before = self.number - 3 * len(_SHAPES)
        return (self.catalogue.guid(f"update {before}"),) if before >= 0 else ()

    def title(self, plain: str) -> str:
        if self.number % 7 == 0:
            return _ODD_TITLES[self.number // 7 % len(_ODD_TITLES)].replace("{kb}", f"KB{self.kb}")
        return f"{plain} (KB{self.kb})"

    def file(self, name: str, *, kind: str = "payload", created: str | None = None) -> File:
        """Make a binary file with unique bytes."""
        self._serial += 1
        key = f"{self.number}-{name}"
        size = self.catalogue.size_bytes(self._serial)
        recipe = content_bytes.block_recipe(self.catalogue.seed, key.replace(":", "_"), size)
        return _described(recipe, name, created or self.created, kind=kind)

    def esd(self, name: str) -> File:
        """Make an encrypted file, whose key stands in the package."""
        key = base64.b64encode(self.draw.randbytes(32)).decode()
        return replace(self.file(name), decryption_key=key)

    def license(self) -> tuple[str, tuple[File, ...]]:
        """Make licence terms: a file per language, shared by a few updates.

        Updates to be approved share no terms with others, so that the others' stay unaccepted.
        """
        group = f"{'approved' if self.rich else 'other'}{self.number // (9 * len(_SHAPES))}"
        files = []
        for language in _LANGUAGES:
            recipe = content_bytes.text_recipe(self.catalogue.seed, f"license{group}", language)
            name = f"eula_{language}.txt"
            files.append(_described(recipe, name, self.created, kind="license", language=language))
        return self.catalogue.guid(f"license {group}"), tuple(files)

    def revision(self, title: str, product: str, classification: str) -> Revision:
        """Make the update's first revision, without files."""
        security = classification in {"Security Updates", "Critical Updates"}
        details: dict[str, object] = {"number": self.number}
        if security:
            details["bulletins"] = [f"MS{self.day:%y}-{self.number % 1000:03d}"]
            details["cves"] = [f"CVE-{self.day:%Y}-{20000 + self.number % 70000}"]
        if self.number % 4 == 0:
            details["titles"] = {"de": f"{title} – deutsch", "ja": f"{title} 日本語"}
        severities = ("Unspecified", "Low", "Moderate", "Important", "Critical")
        return Revision(
            update_id=self.update_id,
            revision=200,
            kind="driver" if classification == "Drivers" else "software",
            title=title,
            created=self.created,
            arrived=self.arrived,
            description=f"Install this update to resolve issues described in article {self.kb}.",
            kb=None if classification == "Drivers" else self.kb,
            severity=self.draw.choice(severities) if security else "Unspecified",
            classification_id=taxonomy.CLASSIFICATIONS[classification],
            product_id=taxonomy.product(product),
            requires=(taxonomy.X64,),
            details=details,
        )

    def child(
        self, parent: Revision, name: str, files: tuple[File, ...], languages: tuple[str, ...] = ()
    ) -> Revision:
        """Make a bundled child with files."""
        return replace(
            parent,
            update_id=self.catalogue.guid(f"child {self.number} {name}"),
            revision=102,
            title=f"{parent.title} [{name}]",
            hidden=True,
            explicitly_deployable=False,
            files=files,
            languages=languages,
            license_id=None,
            details={"number": self.number},
        )


def _described(
    recipe: str, name: str, modified: str, *, kind: str, language: str | None = None
) -> File:
    digests = content_bytes.digests(recipe)
    stem, _, suffix = name.rpartition(".")
    url = (
        "http://download.windowsupdate.com/d/msdownload/update/software/secu/"
        f"{modified[:4]}/{modified[5:7]}/{stem}_{digests.sha1.lower()}.{suffix}"
    )
    return File(
        sha1=digests.sha1,
        name=name,
        size_bytes=digests.size_bytes,
        sha256=digests.sha256,
        url=url,
        decryption_key=None,
        kind=kind,
        language=language,
        modified=modified,
        recipe=recipe,
    )


def _bundle(parent: Revision, *children: Revision) -> tuple[Revision, ...]:
    return (*children, replace(parent, bundles=tuple(child.key for child in children)))


def _cumulative(draft: _Draft) -> tuple[Revision, ...]:
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
    return _bundle(replace(parent, supersedes=draft.previous()), child)


def _office(draft: _Draft) -> tuple[Revision, ...]:
    parent = draft.revision(
        draft.title("Security Update for Microsoft Office 2019 64-Bit Edition"),
        "Microsoft 365 Apps/Office 2019/LTSC",
        "Security Updates",
    )
    children = []
    for language in ("x-none", *(_LANGUAGES if draft.rich else ("en", "fr"))):
        stem = f"office2019-kb{draft.kb}-{language}"
        files = [draft.file(f"{stem}.cab")]
        if draft.rich:
            files.append(draft.file(f"{stem}-proof.cab"))
        spoken = () if language == "x-none" else (language,)
        children.append(draft.child(parent, language, tuple(files), spoken))
    return _bundle(parent, *children)


def _definition(draft: _Draft) -> tuple[Revision, ...]:
    version = f"1.{400 + draft.number % 100}.{draft.number}.0"
    plain = f"Security Intelligence Update for Microsoft Defender Antivirus (Version {version})"
    revision = draft.revision(
        draft.title(plain), "Microsoft Defender Antivirus", "Definition Updates"
    )
    names = ["am_base", "am_delta", "am_engine", "nis_full", "am_slim_delta", "mpam_fe", "mpam_d"]
    files = tuple(
        draft.file(f"{name}_{draft.number}.exe") for name in names[: 7 if draft.rich else 2]
    )
    return (replace(revision, files=files, supersedes=draft.previous()),)


def _driver(draft: _Draft) -> tuple[Revision, ...]:
    title = f"Contoso - Net - 10.{draft.number % 50}.{draft.number}.4"
    revision = draft.revision(title, "Windows - Client, Drivers", "Drivers")
    files = tuple(
        draft.file(f"{draft.number}_{part}.cab") for part in range(5 if draft.rich else 1)
    )
    return (replace(revision, files=files),)


def _framework(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"{draft.day:%Y-%m} Cumulative Update for .NET Framework 3.5 and 4.8.1"
    parent = draft.revision(draft.title(plain), ".NET Framework", "Updates")
    children = []
    for part in ("ndp35", "ndp48", "ndp481")[: 3 if draft.rich else 1]:
        stem = f"{part}-kb{draft.kb}-{draft.architecture}"
        files = (draft.file(f"{stem}.msu"), draft.file(f"{stem}.cab"))
        children.append(draft.child(parent, part, files))
    return _bundle(parent, *children)


def _upgrade(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"Windows 11, version 23H2 {draft.architecture} 20{draft.day:%y-%m}B"
    revision = draft.revision(draft.title(plain), "Windows 11", "Upgrades")
    stem = f"22631.{draft.number}.ni_release_client"
    names = [f"{stem}.{part}.cab" for part in range(5 if draft.rich else 1)]
    files = (draft.esd(f"{stem}_vol.esd"), *(draft.file(name) for name in names))
    return (replace(revision, files=files),)


def _licensed(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"SQL Server 2019 RTM Cumulative Update {draft.number % 30 + 1}"
    revision = draft.revision(draft.title(plain), "Microsoft SQL Server 2019", "Updates")
    license_id, terms = draft.license()
    names = [f"sqlserver2019-kb{draft.kb}-x64{part}.exe" for part in ("", "-tools")]
    files = tuple(draft.file(name) for name in names[: 2 if draft.rich else 1])
    return (replace(revision, license_id=license_id, files=(*files, *terms)),)


def _tool(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"Windows Malicious Software Removal Tool x64 - v5.{draft.number}"
    revision = draft.revision(draft.title(plain), "Windows 10", "Update Rollups")
    names = [f"windows-kb{draft.kb}-x64-v5.{draft.number}.exe"]
    names += [f"mrt-{part}-{draft.number}.exe" for part in ("base", "delta", "engine")]
    files = tuple(draft.file(name) for name in names[: 4 if draft.rich else 1])
    return (replace(revision, files=files),)


def _empty(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"Servicing preparation for Windows Server 2019, part {draft.number}"
    return (draft.revision(draft.title(plain), "Windows Server 2019", "Critical Updates"),)


def _revised(draft: _Draft) -> tuple[Revision, ...]:
    plain = f"{draft.day:%Y-%m} Update for Microsoft server operating system version 21H2"
    product = "Microsoft Server operating system-21H2"
    first = draft.revision(draft.title(plain), product, "Critical Updates")
    stem = f"windows10.0-kb{draft.kb}-x64-21h2"
    files = tuple(draft.file(f"{stem}-{part}.msu") for part in range(6 if draft.rich else 1))
    return tuple(
        replace(first, revision=200 + step, files=files, description=f"{first.description} {step}")
        for step in range(3)
    )


_SHAPES: tuple[tuple[str, Callable[[_Draft], tuple[Revision, ...]]], ...] = (
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
