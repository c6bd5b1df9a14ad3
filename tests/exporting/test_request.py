"""What a person may ask of an export: a shopping list, a base of his own choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.manifest import read_entries
from tasks.content.names import ContentName
from tasks.errors import AirGapError, UsageError
from tasks.exporting.request import read_request, record_choices
from tasks.exporting.shopping import answer_list
from tasks.ledger.choices import Choices
from tasks.run.context import RunContext
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import File

NONE: dict[str, Any] = {"mode": None, "full": False, "new": False, "since": None, "bring": None}


def write_list(folder: Path, *files: str, site: str = "alpha", **changes: Any) -> Path:
    lines = [
        {"file": name, "size_bytes": 1, "reason": "vanished", "wanted_by": []} for name in files
    ]
    path = folder / "shopping-list.json"
    document = {"version": 1, "site": site, "created": "2026-01-01T00:00:00Z", "files": lines}
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def carried(side: StagingSide, draft: Any) -> set[str]:
    return {entry.name.text for entry in read_entries(draft.manifest) if entry.is_carried}


def accept(side: StagingSide, sequence: int) -> None:
    side.run.exports.accept(sequence, receipt=None, now=side.now)


def test_a_file_on_the_list_is_carried_although_the_baseline_has_it_and_others_are_named(
    side: StagingSide, tmp_path: Path
) -> None:
    accept(side, side.seal().sequence)
    asked = ContentName.parse(side.write_file(File("a.cab")).name)
    strange = "AB" * 20 + ".cab"
    assert asked is not None
    path = write_list(tmp_path, asked.text, strange)
    request = read_request(side.run.site, **(NONE | {"bring": str(path)}))

    draft = side.seal(bring=request.bring)
    assert (draft.sequence, draft.base) == (2, 1)
    assert carried(side, draft) == {asked.text}
    look_up = side.run.look_up_in(draft.manifest)
    answer_list(side.run.report, draft, look_up, names=request.bring, content=side.look().content)
    assert side.run.report.details["bring"] == {
        "listed": 2,
        "carried": 1,
        "unavailable": [{"file": strange, "reason": "the staging server does not hold it"}],
    }
    assert "first " + strange in side.run.report.notices[-1]
    # The same wish again is answered by the same bundle, another one is not.
    assert side.open(bring=request.bring).is_sealed
    assert not side.open(bring=request.bring[:1]).is_sealed


def test_since_leaves_out_what_was_there_as_of_a_bundle_without_any_receipt(
    side: StagingSide,
) -> None:
    first = side.seal()
    later = side.write_file(File("d.cab"))
    side.seal(new=True)
    draft = side.seal(since=first.sequence)

    assert (draft.base, draft.parent) == (1, 2)
    assert carried(side, draft) == {later.name}
    record_choices(side.run, side.request)
    (choice,) = Choices(side.run.ledger).all()
    assert (choice.kind, choice.sequence) == ("since", 1)
    assert side.run.report.lines[-1].startswith("the base is bundle 1, as --since says")


def test_a_bundle_that_was_never_sealed_or_has_lost_its_manifest_is_no_base(
    side: StagingSide,
) -> None:
    draft = side.seal()
    with pytest.raises(UsageError, match="no bundle 7 was sealed here, only 1"):
        side.open(since=7, new=True)
    draft.manifest.write_bytes(b"")
    with pytest.raises(UsageError, match="lost or damaged"):
        side.open(since=1, new=True)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"full": True, "since": 1}, "usage", "--full carries everything"),
        ({"bring": "nowhere.json"}, "path-missing", "nowhere.json"),
        ({"bring": {"site": "beta"}}, "wrong-site", "beta"),
        ({"bring": {"version": 2}}, "usage", "is no shopping list"),
        ({"bring": {"files": ["../../etc/passwd"]}}, "usage", "is no shopping list"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_by_name(
    staging: RunContext, tmp_path: Path, *, options: dict[str, Any], kind: str, words: str
) -> None:
    given = dict(options)
    if isinstance(bring := given.get("bring"), dict):
        files = bring.pop("files", ["AB" * 20])
        given["bring"] = str(write_list(tmp_path, *files, **bring))
    with pytest.raises(AirGapError, match=words) as refused:
        read_request(staging.site, **(NONE | given))
    assert refused.value.kind == kind
