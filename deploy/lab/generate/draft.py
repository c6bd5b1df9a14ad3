"""An update of a generated catalogue in the making: its dates, its files, its children."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from deploy.lab.generate import content_bytes, taxonomy
from deploy.lab.store.records import File, Revision

# The visible updates of month ``m`` are numbered from ``m`` times this.
MONTH_NUMBERS = 1_000_000
# The shapes that follow each other, three numbers each.
SHAPE_COUNT = 10
LANGUAGES = ("en", "de", "ja", "fr")
_FIRST_DAY = datetime(2023, 6, 13, 17, tzinfo=UTC)
# Of so many updates of a month each bundle has texts in all languages, of the others every 50th:
# a package of 500,000 files stays as small as a lab needs it.
_LOCALIZED = 1_000

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


class Seeded(Protocol):
    """A catalogue, from whose seed everything follows."""

    @property
    def seed(self) -> int:
        """The seed."""

    def guid(self, key: str) -> str:
        """A GUID that follows from the seed and a key."""

    def size_bytes(self, serial: int) -> int:
        """The size of a file by its number."""


class Draft:
    """An update in the making, with the count of its files and its dates."""

    def __init__(self, catalogue: Seeded, number: int, *, rich: bool) -> None:
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
        """The update's id."""
        return self.catalogue.guid(f"update {self.number}")

    def previous(self) -> tuple[str, ...]:
        """The id of an older update, for this update to supersede."""
        before = self.number - 3 * SHAPE_COUNT
        return (self.catalogue.guid(f"update {before}"),) if before >= 0 else ()

    def title(self, plain: str) -> str:
        """A title with the article; every seventh is of a kind that broke scripts."""
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
        group = f"{'approved' if self.rich else 'other'}{self.number // (9 * SHAPE_COUNT)}"
        files = []
        for language in LANGUAGES:
            recipe = content_bytes.text_recipe(self.catalogue.seed, f"license{group}", language)
            name = f"sqlserver2019eula-{language}-{self.catalogue.guid(f'terms {group}')}.txt"
            files.append(_described(recipe, name, self.created, kind="license", language=language))
        return self.catalogue.guid(f"license {group}"), tuple(files)

    def revision(self, title: str, product: str, classification: str) -> Revision:
        """Make the update's first revision, without files."""
        security = classification in {"Security Updates", "Critical Updates"}
        details: dict[str, object] = {"number": self.number}
        if security:
            details["bulletins"] = [f"MS{self.day:%y}-{self.number % 1000:03d}"]
            details["cves"] = [f"CVE-{self.day:%Y}-{20000 + self.number % 70000}"]
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
            title=f"{name}_for_KB{self.kb}~{self.architecture} [Ring0, Ring1, Broad]",
            description="",
            kb=None,
            severity="Unspecified",
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


def bundle(parent: Revision, *children: Revision, groups: int = 0) -> tuple[Revision, ...]:
    """Bundle children, each alone in its group or dealt out to so many groups."""
    within = int(parent.details["number"]) % MONTH_NUMBERS
    details = dict(parent.details)
    if within < _LOCALIZED or within % 50 == 0:
        details["is_localized"] = True
    if groups:
        ids = [child.update_id for child in children]
        details["groups"] = [ids[start::groups] for start in range(min(groups, len(ids)))]
    bundles = tuple(child.key for child in children)
    return (*children, replace(parent, bundles=bundles, details=details))
