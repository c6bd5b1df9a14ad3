"""Each fault of the lab, set and cleared: what the command says, and that it then finishes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.labs import Lab, Result, equal_servers, make_lab


@dataclass(slots=True)
class Ground:
    """One pair of servers for a row of faults: each is cleared, and its command finishes."""

    lab: Lab

    def baseline(self) -> object:
        return self.lab.run("staging", "status", expect=0).document["base"]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("faults")
        yield Ground(
            make_lab(folder / "lab", api_url=shared_api, updates=20, content_bytes=1_000_000)
        )


def _is_said(result: Result, exit_code: int, kind: str) -> None:
    assert result.exit_code == exit_code, result.explain()
    assert result.error["kind"] == kind, result.explain()
    assert len(result.error["message"]) > 20
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith(f"next: {result.error['next_step']}")


@pytest.mark.parametrize(
    ("fault", "exit_code", "kind"),
    [
        ("package-empty", 1, "wsusutil"),
        ("package-truncated", 1, "wsusutil"),
        ("log-error", 1, "wsusutil"),
        ("exit-code", 1, "wsusutil"),
        ("service-down", 1, "service-down"),
        ("disk-full", 4, "room"),
    ],
)
def test_a_fault_of_the_staging_server_ends_the_export_until_it_is_cleared(
    ground: Ground, fault: str, exit_code: int, kind: str
) -> None:
    lab = ground.lab
    before, baseline = lab.snapshot("staging"), ground.baseline()
    bundles = _sealed(lab)
    lab.fault("staging", fault)
    try:
        refused = lab.export("--new", expect=exit_code)
        _is_said(refused, exit_code, kind)
        assert lab.snapshot("staging") == before
        assert ground.baseline() == baseline
        assert _sealed(lab) == bundles
    finally:
        lab.fault("staging", fault, on=False)
    lab.export("--new", expect=0)
    assert len(_sealed(lab)) == len(bundles) + 1
    assert lab.snapshot("staging") == before


def test_a_wsusutil_that_failed_when_nobody_was_looking_is_begun_anew(ground: Ground) -> None:
    lab = ground.lab
    lab.fault("staging", "exit-code")
    lab.tune("staging", "wsusutil_seconds", 1.0)
    try:
        with lab.start("staging", "export", "--new") as process:
            started = _wait_for(lab.work("staging"), "runs/alpha-export-*/job-*/started")
            process.kill()
            process.communicate()
        _wait_for(started.parent, "exit-code")
    finally:
        lab.fault("staging", "exit-code", on=False)
        lab.tune("staging", "wsusutil_seconds", 0.0)
    made = lab.export(expect=0)
    assert "an earlier wsusutil export had failed (exit code" in " ".join(made.document["lines"])


def _wait_for(folder: Path, pattern: str) -> Path:
    limit = time.monotonic() + 60
    while not (found := list(folder.glob(pattern))):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return found[0]


def _sealed(lab: Lab) -> set[Path]:
    return set((lab.folder / "media").glob("alpha-*/volume-001/header.json"))


@pytest.mark.parametrize("fault", ["file-rots", "file-vanishes"])
def test_a_bad_content_file_on_staging_is_left_out_and_named(ground: Ground, fault: str) -> None:
    lab = ground.lab
    whole = lab.bytes_of("staging")
    lab.fault("staging", fault)
    spoilt = lab.bytes_of("staging")
    (name,) = {Path(n).name for n in whole if whole[n] != spoilt.get(n)}
    try:
        # Bytes that were hashed before are believed while size and time stay; read they are wrong.
        exported = lab.export("--new", "--full", expect=2)
        assert name in str(exported.document["missing"]), exported.explain()
        bundle = Path(exported.document["bundle"])
        assert not [path for path in bundle.rglob("*") if path.name == name]
        assert lab.bytes_of("staging") == spoilt
    finally:
        lab.fault("staging", fault, on=False)
    healed = lab.export("--full", expect=0)
    assert Path(healed.document["bundle"]) != bundle
    assert [path for path in Path(healed.document["bundle"]).rglob("*") if path.name == name]


# In this order: the first meets a server that holds nothing yet, and nothing may be placed.
@pytest.mark.parametrize(
    ("fault", "exit_code", "kind"),
    [
        ("disk-full", 4, "room"),
        ("service-down", 1, "service-down"),
        ("log-error", 1, "wsusutil"),
        ("exit-code", 1, "wsusutil"),
    ],
)
def test_a_fault_of_the_disconnected_server_ends_the_import_until_it_is_cleared(
    ground: Ground, fault: str, exit_code: int, kind: str
) -> None:
    lab = ground.lab
    bundle = Path(lab.export("--new", "--full").document["bundle"])
    before, baseline = lab.snapshot("disconnected"), ground.baseline()
    receipts = list((lab.folder / "return").iterdir())
    lab.fault("disconnected", fault)
    try:
        refused = lab.import_(bundle, expect=exit_code)
        _is_said(refused, exit_code, kind)
        after = lab.snapshot("disconnected")
        if kind == "wsusutil":
            # Content and metadata are in; what rests on them is not.
            assert after["approvals"] == before["approvals"]
            assert after["declines"] == before["declines"]
        else:
            assert after == before
        assert list((lab.folder / "return").iterdir()) == receipts
        assert ground.baseline() == baseline
    finally:
        lab.fault("disconnected", fault, on=False)
    done = lab.import_(bundle)
    assert done.exit_code in {0, 2}, done.explain()
    equal_servers(lab, apart_from=done)
    with lab.server("disconnected") as server:
        assert server.setting("service_status") == "Running"


@pytest.mark.parametrize("fault", ["file-rots", "file-vanishes", "file-replaced"])
def test_a_bad_content_file_on_the_disconnected_server_is_found_by_audit(
    ground: Ground, fault: str
) -> None:
    lab = ground.lab
    bundle = sorted(_sealed(lab), key=lambda path: path.stat().st_mtime)[-1].parents[1]
    if lab.import_(bundle).exit_code not in {0, 2}:
        pytest.fail("the newest bundle cannot be imported")
    whole = lab.bytes_of("disconnected")
    lab.fault("disconnected", fault)
    spoilt = lab.bytes_of("disconnected")
    (name,) = {Path(n).name for n in whole if whole[n] != spoilt.get(n)}
    audited = lab.run("disconnected", "audit", expect=2)
    reasons = {each["reason"] for each in audited.document["missing"] if each["file"] == name}
    assert reasons == {"vanished" if fault == "file-vanishes" else "wrong-digest"}
    assert lab.bytes_of("disconnected") == spoilt

    mended = lab.import_(bundle)
    assert name not in str(mended.document["missing"])
    assert lab.bytes_of("disconnected") == whole
    lab.fault("disconnected", fault, on=False)
    assert lab.bytes_of("disconnected") == whole


def test_a_catalogue_that_changes_during_the_export_is_taken_by_the_next_one(
    ground: Ground,
) -> None:
    lab = ground.lab
    lab.fault("staging", "catalogue-changes")
    try:
        first = lab.export("--new")
    finally:
        lab.fault("staging", "catalogue-changes", on=False)
    second = lab.export()
    assert second.document["sequence"] == first.document["sequence"] + 1
    imported = lab.import_(Path(second.document["bundle"]))
    equal_servers(lab, apart_from=imported)
