"""What the simulated wsusutil writes is read as the simulated server means it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from deploy.lab.store.languages import ALL, LANGUAGES
from deploy.lab.store.records import File as LabFile
from deploy.lab.store.records import Revision
from deploy.lab.wsusutil import package as lab
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.closure import ContentChoice, read_closures
from tasks.metadata.index import index_package
from tasks.revision import RevisionId
from tests.metadata.writing import guid


def lab_file(name: str, kind: str, language: str | None = None) -> LabFile:
    seed = random.Random(name)
    return LabFile(
        sha1=seed.randbytes(20).hex().upper(),
        name=name,
        size_bytes=seed.randrange(1, 10**10),
        sha256=seed.randbytes(32).hex().upper(),
        url="http://dl.example/c/" + name,
        decryption_key="a2V5" if name.endswith(".esd") else None,
        kind=kind,
        language=language,
        modified="2026-01-01T00:00:00Z",
    )


PAYLOAD = lab_file("windows.msu", "payload")
EXPRESS = lab_file("windows.psf", "express")
ESD = lab_file("upgrade.esd", "payload")
TERMS = tuple(lab_file(f"eula_{code}.txt", "license", code) for code in ("en", "de"))


def revision(number: int, kind: str, title: str) -> Revision:
    return Revision(
        update_id=guid(number), revision=100, kind=kind, title=title,
        created="2026-01-01T00:00:00Z", arrived="2026-01-02T00:00:00Z",
    )  # fmt: skip


REVISIONS = (
    revision(10, "product", "Windows 11"),
    revision(11, "classification", "Security Updates"),
    revision(12, "detectoid", "x64"),
    replace(
        revision(2, "software", "Child <&> \"'"),
        files=(PAYLOAD, EXPRESS),
        hidden=True,
        explicitly_deployable=False,
    ),
    replace(
        revision(1, "software", "Kumulatives Update — 日本語"),
        kb="5031234",
        severity="Critical",
        license_id=guid(99),
        product_id=guid(10),
        classification_id=guid(11),
        languages=("en", "de"),
        files=(*TERMS, ESD),
        bundles=((guid(2), 100),),
        supersedes=(guid(3),),
        requires=(guid(12),),
    ),
)


def test_a_package_of_the_lab_means_here_what_it_means_there(tmp_path: Path) -> None:
    header = lab.Header(guid(7), "2026-02-03T04:05:06Z", "1.0", "1.20")
    files = (PAYLOAD, EXPRESS, ESD, *TERMS)
    languages = [(ALL, False), *((each, each.code == "en") for each in LANGUAGES)]
    contents = lab.Contents(header, languages, files, REVISIONS)
    lab.write(tmp_path / "p.xml.gz", contents)

    summary = index_package(tmp_path / "p.xml.gz", tmp_path / "i")

    assert (summary.server_id, summary.languages) == (guid(7), ("en",))
    assert (summary.revisions, summary.files, summary.unmapped_files) == (5, 5, 0)
    with PackageIndex(tmp_path / "i") as index:
        record = index.latest(guid(1))
        assert record is not None
        assert (record.title, record.kb) == (REVISIONS[-1].title, "KB5031234")
        assert {r.title for r in index.revisions() if r.is_hidden} == {REVISIONS[3].title}
        assert {r.title for r in index.revisions() if r.is_category} == {
            "Windows 11", "Security Updates", "x64",
        }  # fmt: skip
        assert index.titles_of(guid(1), 100, "category") == ("Windows 11",)
        assert [r.key for r in index.superseders(guid(3))] == [(guid(1), 100)]
        choice = ContentChoice(languages=frozenset({"en"}), express=False)
        (closure,) = read_closures(index, [RevisionId(guid(1), 100)], choice)
        sizes = {f.name.digest.hex: (f.size_bytes, f.kind) for f in closure.files}
        assert sizes == {
            file.sha1: (file.size_bytes, file.kind) for file in (PAYLOAD, ESD, TERMS[0])
        }
        assert {f.name.extension for f in index.files() if f.has_decryption_key} == {"esd"}
