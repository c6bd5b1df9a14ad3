"""The golden bundle of format 2, which adds the list of what a bundle brings, stays readable.

It was packed once and is never made again; the key that sealed it is gone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tasks.bundle.brings import read_brings
from tasks.bundle.documents import unpack_documents
from tasks.bundle.header import Header
from tasks.bundle.keys import load_public_key
from tasks.bundle.layout import BRINGS
from tasks.bundle.opened_bundle import open_bundle
from tasks.bundle.seal import Trust
from tasks.bundle.verify import prove_bundle
from tasks.hosts.local import LocalHost
from tests.support.bundles import Workshop

GOLDEN = Path(__file__).parents[1] / "data" / "bundle-v2"
OLDER = GOLDEN.with_name("bundle-v1")
DIGEST = "db3896fd89010c7fdc58555dfba0254bd0a5c897a219d28aa2431d1677a385b0"


def test_the_golden_bundle_is_whole_and_says_what_it_brings(tmp_path: Path) -> None:
    host = LocalHost()
    trust = Trust((load_public_key(GOLDEN / "staging.pub"),))

    bundle = open_bundle(host, [host.path(str(GOLDEN / "alpha-1"))], trust)
    read = prove_bundle(bundle, scratch=tmp_path)
    documents = unpack_documents(bundle, tmp_path)

    assert not bundle.faults
    assert (bundle.trusted.digest.hex, bundle.header.format, read.proved) == (DIGEST, 2, 4)
    assert documents.brings is not None
    first, second = read_brings(documents.brings)
    assert (first.kb, first.cves) == ("KB5031234", ("CVE-2026-20001",))
    assert second.origin == "no-microsoft-address"


def test_a_list_that_was_changed_is_a_fault(tmp_path: Path) -> None:
    host = LocalHost()
    shutil.copytree(GOLDEN / "alpha-1", tmp_path / "alpha-1")
    path = tmp_path / "alpha-1" / "volume-001" / BRINGS
    path.write_bytes(path.read_bytes().replace(b"Critical", b"Moderate"))
    trust = Trust((load_public_key(GOLDEN / "staging.pub"),))

    bundle = open_bundle(host, [host.path(str(tmp_path / "alpha-1"))], trust)
    (tmp_path / "scratch").mkdir()
    prove_bundle(bundle, scratch=tmp_path / "scratch")

    assert [fault.verdict for fault in bundle.faults.listed] == ["digest"]


def test_a_list_in_a_bundle_of_format_1_is_undeclared(tmp_path: Path) -> None:
    host = LocalHost()
    shutil.copytree(OLDER / "alpha-1", tmp_path / "alpha-1")
    (tmp_path / "alpha-1" / "volume-001" / BRINGS).write_bytes(b"")
    trust = Trust((load_public_key(OLDER / "staging.pub"),))

    bundle = open_bundle(host, [host.path(str(tmp_path / "alpha-1"))], trust)

    assert [fault.verdict for fault in bundle.faults.listed] == ["extra"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_has_the_list_exactly_in_format_2(tmp_path: Path, version: int) -> None:
    workshop = Workshop(tmp_path)
    values = workshop.header(workshop.pack()).model_dump(mode="json")
    binding = None if version == 2 else values["manifest"]

    with pytest.raises(ValueError, match="format 2 has"):
        Header.model_validate_json(json.dumps(values | {"format": version, "brings": binding}))
