"""An import in which one of several objects fails: all others are done, it is named, a cure heals.

One bundle brings several of each kind: groups, approvals, removals, declines, licence terms,
content files, files of UpdateServicesPackages, and deletions of a mirror. One of each kind fails in
one run. ``WSUS_AIRGAP_ONE_BY_ONE=1`` has each fail alone, to see that each flags a run by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.rules import approval_actions, content_agent, groups, update_search
from deploy.lab.rules.refused_object import REASON
from deploy.lab.rules.scope import Scope
from deploy.lab.rules.server import Server
from deploy.lab.rules.update_search import UpdateRow
from deploy.lab.store import content_paths
from tests.support.bundles import write_content
from tests.support.labs import Lab, Result, decision, equal_servers, make_lab
from tests.support.plain_labs import keep_plain_approvals

RINGS = {"Ring A", "Ring B", "Ring C"}
_PACKAGE_FOLDER = "0a1b2c3d-1234-5678-9abc-def01234567{}"


@dataclass(frozen=True)
class Prepared:
    """A lab whose second bundle is to be imported.

    Attributes:
        words: The import of it, confirmed.
        deletes: The files that it deletes.
        brought: The files that it brings, each needed by an update of its own.
        packages: The files of UpdateServicesPackages that it brings, by the path there.
        terms: The updates with licence terms that it approves.
        removed: The updates whose approvals it removes.
        declined: The updates that it declines.
    """

    lab: Lab
    words: tuple[str, ...]
    deletes: list[str]
    brought: list[str]
    packages: dict[str, bytes]
    terms: set[str]
    removed: set[str]
    declined: set[str]

    def import_(self, expect: int) -> Result:
        return self.lab.run("disconnected", *self.words, expect=expect)

    def package(self, path: str) -> Path:
        return self.lab.folder / "disconnected" / "packages" / path

    def trash(self, name: str) -> Path:
        work = self.lab.work("disconnected")
        return work / "trash" / "alpha" / "alpha-2" / name[38:40].upper() / name


@dataclass(frozen=True)
class Row:
    """One way in which one object fails.

    Attributes:
        fail, cure: Make it fail, and undo that.
        judge: What the import that it befell shows of it and of the others of its kind.
    """

    fail: Callable[[Prepared], object]
    cure: Callable[[Prepared], object]
    judge: Callable[[Prepared, Result], None]


# --- what the server refuses ----------------------------------------------------------------------


def _refused(fault: str, judge: Callable[[Prepared, Result], None]) -> Row:
    return Row(
        lambda prepared: prepared.lab.fault("disconnected", fault),
        lambda prepared: prepared.lab.fault("disconnected", fault, on=False),
        judge,
    )


def _present(lab: Lab, kind: str, side: str = "disconnected") -> dict[str, Any]:
    return {decision(line): line for line in lab.state(side)[kind]}


def _failed(result: Result) -> list[dict[str, Any]]:
    failed: list[dict[str, Any]] = result.document["approvals"]["failed"]
    return failed


def _judge_group(prepared: Prepared, result: Result) -> None:
    """One group is not there, and its approvals fail for its reason; the others are there."""
    (line,) = [line for line in _failed(result) if line["update_id"] is None]
    assert REASON in line["reason"]
    path = line["group"]
    assert path[-1] in RINGS
    below = [each for each in _failed(result) if each["group"] == path and each["update_id"]]
    assert below
    assert all(REASON in each["reason"] for each in below)
    with prepared.lab.server("disconnected") as server:
        names = {group.name for group in groups.all_groups(server)}
    assert RINGS - names == {path[-1]}


def _judge_approval(prepared: Prepared, result: Result) -> None:
    """The approvals of one revision fail; those of others were made in the same run."""
    lines = [line for line in _failed(result) if line["action"] == "Install"]
    lines = [line for line in lines if line["reason"] == REASON]
    lines = [line for line in lines if line["update_id"] not in prepared.removed]
    assert len({line["update_id"] for line in lines}) == 1
    present = _present(prepared.lab, "approvals")
    assert not present.keys() & set(map(decision, lines))
    applied = [line for line in result.document["approvals"]["applied"] if line["group"]]
    made = {decision(line) for line in applied if line["update_id"] not in prepared.removed}
    assert made
    assert made <= present.keys()


def _judge_removal(prepared: Prepared, result: Result) -> None:
    """The approvals of one update are still there; those of the other are gone."""
    (update_id,) = {line["update_id"] for line in _failed(result)} & prepared.removed
    standing = {line["update_id"] for line in _present(prepared.lab, "approvals").values()}
    assert standing & prepared.removed == {update_id}
    assert all(REASON in each["reason"] for each in _of_update(result, update_id))


def _judge_decline(prepared: Prepared, result: Result) -> None:
    """One update is not declined; the other is."""
    (update_id,) = {line["update_id"] for line in _failed(result)} & prepared.declined
    declined = {line["update_id"] for line in _present(prepared.lab, "declines").values()}
    assert prepared.declined - declined == {update_id}
    assert all(REASON in each["reason"] for each in _of_update(result, update_id))


def _judge_terms(prepared: Prepared, result: Result) -> None:
    """Terms of one update are not accepted, and its approval fails; the other is approved."""
    refused = [line for line in _failed(result) if line["update_id"] in prepared.terms]
    (update_id,) = {line["update_id"] for line in refused if line["action"] is None}
    assert any(REASON in each["reason"] for each in _of_update(result, update_id))
    standing = {line["update_id"] for line in _present(prepared.lab, "approvals").values()}
    assert update_id not in standing


def _of_update(result: Result, update_id: str) -> list[dict[str, Any]]:
    return [line for line in _failed(result) if line["update_id"] == update_id]


# --- what cannot be put, or deleted ---------------------------------------------------------------


def _judge_content(prepared: Prepared, result: Result) -> None:
    """Only the update that needs the file waits; an audit says the same."""
    name = prepared.brought[0]
    missing = {line["file"]: line["reason"] for line in result.document["missing"]}
    assert missing == {name: "not-placed"}
    for other in prepared.brought[1:]:
        assert prepared.lab.content("disconnected", other).is_file()
    parked = result.document["approvals"]["parked"]
    assert {line["update_id"] for line in parked} == {
        line["update_id"] for line in result.document["missing"]
    }
    assert {line["reason"] for line in parked} == {"content-missing"}
    assert name in str(result.document["notices"])


def _lock_deletion(prepared: Prepared) -> None:
    """Put a folder where the trash is to have a file: the rename fails, as of one in use."""
    path = prepared.trash(prepared.deletes[0])
    path.mkdir(parents=True)
    for folder in (path, *path.parents):
        if folder == prepared.lab.work("disconnected"):
            break
        folder.chmod(0o700)


def _judge_deletion(prepared: Prepared, result: Result) -> None:
    """One file is still there; the others lie in the trash."""
    failing, *others = prepared.deletes
    assert prepared.lab.content("disconnected", failing).is_file()
    for other in others:
        assert prepared.trash(other).is_file()
        assert not prepared.lab.content("disconnected", other).exists()
    (notice,) = [text for text in result.document["notices"] if failing in text]
    assert "was not deleted" in notice


def _block_package(prepared: Prepared) -> None:
    path = prepared.package(min(prepared.packages))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another file")


def _judge_package(prepared: Prepared, result: Result) -> None:
    """One file is left as it lies there; the others are put there."""
    failing = min(prepared.packages)
    for path, content in prepared.packages.items():
        wanted = b"another file" if path == failing else content
        assert prepared.package(path).read_bytes() == wanted
    (notice,) = [text for text in result.document["notices"] if failing in text]
    assert "another file lies there" in notice


ROWS = {
    "a group that WSUS refuses": _refused("group-refused", _judge_group),
    "an approval that WSUS refuses": _refused("approval-refused", _judge_approval),
    "a removal that WSUS refuses": _refused("removal-refused", _judge_removal),
    "a decline that WSUS refuses": _refused("decline-refused", _judge_decline),
    "terms that WSUS refuses": _refused("terms-refused", _judge_terms),
    "a file that cannot be placed": Row(
        lambda prepared: prepared.lab.content("disconnected", prepared.brought[0]).mkdir(
            parents=True
        ),
        lambda prepared: prepared.lab.content("disconnected", prepared.brought[0]).rmdir(),
        _judge_content,
    ),
    "a file that cannot be deleted": Row(
        _lock_deletion,
        lambda prepared: prepared.trash(prepared.deletes[0]).rmdir(),
        _judge_deletion,
    ),
    "a local package that is there": Row(
        _block_package,
        lambda prepared: prepared.package(min(prepared.packages)).unlink(),
        _judge_package,
    ),
}
RUNS = [[name] for name in ROWS] if os.environ.get("WSUS_AIRGAP_ONE_BY_ONE") else [list(ROWS)]


# --- the lab --------------------------------------------------------------------------------------


def _publish(lab: Lab) -> dict[str, bytes]:
    """Three files in staging's UpdateServicesPackages, as WSUS has them once they are approved."""
    packages = {}
    for number in range(3):
        content = b"local package %d" % number
        write_content(lab.content_dir("staging"), content)
        folder = _PACKAGE_FOLDER.format(number)
        path = lab.folder / "staging" / "packages" / folder / f"local_{number}.cab"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        packages[f"{folder}/{path.name}"] = content
    (lab.folder / "disconnected" / "packages").mkdir()
    for side in ("staging", "disconnected"):
        lab.configure(side, "server", packages_dir=str(lab.folder / side / "packages"))
    return packages


def _undecided(server: Server, *, has_license: bool) -> list[UpdateRow]:
    """The updates that nobody has decided on; of those with licence terms one for each of these."""
    chosen: dict[str, UpdateRow] = {}
    for row in update_search.search_updates(server, Scope()):
        if row.approved or row.declined or row.superseded or row.publication == "Expired":
            continue
        query = "SELECT license_id FROM revision WHERE update_id = ? AND revision = ?"
        terms = server.connection.execute(query, (row.update_id, row.revision)).fetchone()[0]
        if row.has_license == has_license and content_agent.needed_files(
            server, row.update_id, row.revision
        ):
            chosen.setdefault(terms or row.update_id, row)
    return list(chosen.values())


def _approve(server: Server, row: UpdateRow, group: str) -> None:
    present = {each.name: each.id for each in groups.all_groups(server)}
    group_id = present.get(group) or groups.create(server, group, None).id
    key = (row.update_id, row.revision)
    if row.license_required:
        approval_actions.accept_license(server, *key)
    approval_actions.approve(server, key, "Install", group_id)


def _hold_back(lab: Lab) -> dict[str, UpdateRow]:
    """Take the content of three undecided updates away; gives the updates by a file of each.

    Once they are approved, the server downloads it, so that the second bundle brings it.
    """
    files = {}
    with lab.server("staging") as server:
        for row in _undecided(server, has_license=False)[:3]:
            for sha1 in content_agent.needed_files(server, row.update_id, row.revision):
                query = "SELECT name FROM file WHERE sha1 = ?"
                name = server.connection.execute(query, (sha1,)).fetchone()["name"]
                path = content_paths.content_path(lab.content_dir("staging"), sha1, name)
                path.unlink(missing_ok=True)
            files[path.name] = row
    assert len(files) == 3
    return files


def _decide(lab: Lab, new: Iterable[UpdateRow]) -> list[set[str]]:
    """Decide on staging several of each kind; gives the updates of three kinds."""
    with lab.server("staging") as server:
        server.set_setting("agent_seconds", 0)
        approved = [row for row in update_search.search_updates(server, Scope()) if row.approved]
        for row, ring in zip(approved[:3], sorted(RINGS), strict=True):
            _approve(server, row, ring)
        terms = _undecided(server, has_license=True)[:2]
        for row in (*new, *terms):
            _approve(server, row, "Zone")  # made after the rings
        removed, declined = approved[3:5], approved[5:7]
        for row in removed:
            for approval in update_search.update_approvals(server, row.update_id, row.revision):
                approval_actions.delete_approval(server, approval.id)
        for row in declined:
            approval_actions.decline(server, row.update_id)
        content_agent.catch_up(server)
    return [{row.update_id for row in rows} for rows in (terms, removed, declined)]


@pytest.fixture
def prepared(tmp_path: Path, shared_api: str, stand_in: None) -> Prepared:
    lab = make_lab(tmp_path / "lab", api_url=shared_api, updates=60, content_bytes=500_000)
    keep_plain_approvals(lab)
    lab.configure("disconnected", "policy", licence_terms="accept")
    surplus = [write_content(lab.content_dir("staging"), b"surplus %d" % each) for each in range(3)]
    new = _hold_back(lab)
    lab.accept(lab.cross().document["receipt"], expect=0)
    kinds = _decide(lab, new.values())
    packages = _publish(lab)
    for name in surplus:
        lab.content("staging", name.text).unlink()
    lab.export("--mode", "mirror", expect=0)
    digest = lab.import_(2, expect=4).document["plan_digest"]
    words = ("import", str(lab.bundle(2)), "--confirm", digest)
    return Prepared(lab, words, [name.text for name in surplus], list(new), packages, *kinds)


@pytest.mark.parametrize("names", RUNS, ids=len)
def test_one_of_several_fails_alone_is_named_and_is_done_once_it_is_cured(
    prepared: Prepared, names: list[str]
) -> None:
    lab = prepared.lab
    before = set(_present(lab, "approvals", "staging"))
    for name in names:
        ROWS[name].fail(prepared)
    befallen = prepared.import_(expect=2)
    for name in names:
        ROWS[name].judge(prepared, befallen)
    approvals = befallen.document["approvals"]
    waiting = {decision(each) for each in (*approvals["failed"], *approvals["parked"])}
    assert before - waiting <= set(_present(lab, "approvals"))
    assert approvals["held"] == []

    for name in names:
        ROWS[name].cure(prepared)
    cured = prepared.import_(expect=0)
    assert cured.document["approvals"]["failed"] == cured.document["missing"] == []
    equal_servers(lab)
    assert not _present(lab, "approvals").keys() - before
    for name in prepared.deletes:
        assert not lab.content("disconnected", name).exists()
    for path, content in prepared.packages.items():
        assert prepared.package(path).read_bytes() == content
