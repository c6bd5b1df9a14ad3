"""``catalog-import`` on a lab, whose stand-in for the Catalog has a few updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy import lab as labs
from tests.support.labs import Lab, make_lab

UNKNOWN = "01234567-89ab-4cde-8f01-23456789abcd"


@pytest.fixture
def lab(tmp_path: Path, shared_api: str, stand_in: None) -> Lab:
    return make_lab(tmp_path / "lab", api_url=shared_api, updates=10, content_bytes=20_000)


def catalog(lab: Lab) -> list[str]:
    return [update_id for update_id, _ in labs.catalog(lab.folder)]


def details(document: dict[str, Any]) -> dict[str, list[str]]:
    return {name: document["details"][name] for name in ("imported", "already", "failed")}


def test_two_of_three_are_imported_the_third_is_named_and_the_next_bundle_has_them(
    lab: Lab,
) -> None:
    first, second, *_ = catalog(lab)
    ids = (first.upper(), UNKNOWN, second)
    mixed = lab.run("staging", "catalog-import", *ids, expect=2)
    assert details(mixed.document) == {
        "imported": [first, second],
        "already": [],
        "failed": [UNKNOWN],
    }
    assert any(UNKNOWN in notice for notice in mixed.document["notices"])
    after = lab.state("staging")
    again = lab.run("staging", "catalog-import", first, second, expect=0)
    assert details(again.document)["already"] == [first, second]
    assert lab.state("staging") == after
    assert {first, second} <= {line["update_id"] for line in after["revisions"]}
    lab.cross()
    theirs = {line["update_id"] for line in lab.state("disconnected")["revisions"]}
    assert {first, second} <= theirs


def test_weak_cryptography_is_named_as_the_cause_and_nothing_is_imported(lab: Lab) -> None:
    lab.fault("staging", "strong-cryptography-off")
    before = lab.state("staging")
    failed = lab.run("staging", "catalog-import", catalog(lab)[0], expect=1)
    assert failed.document["findings"][0]["id"] == "strong-cryptography"
    assert "repair strong-cryptography" in failed.error["next_step"]
    assert "underlying connection was closed" in failed.error["message"]
    assert lab.state("staging") == before


def test_what_is_no_update_id_and_the_other_side_are_refused(lab: Lab) -> None:
    wrong = lab.run("staging", "catalog-import", "KB5034441", expect=64)
    assert "KB5034441 is no update id" in wrong.error["message"]
    side = lab.run("disconnected", "catalog-import", UNKNOWN, expect=64)
    assert side.error["kind"] == "wrong-side"
