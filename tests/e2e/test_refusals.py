"""What a bundle may not be: each case refused with its exit code, and nothing changed.

One pair of servers serves all cases: a refusal that changed anything would show in the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.labs import Lab, Result, digests_below, make_lab, run_here


@dataclass(frozen=True, slots=True)
class Pair:
    """Servers of which the disconnected one has imported bundle 1, and bundle 2 is on the media."""

    lab: Lab
    folder: Path

    def copy(self, name: str, number: int = 2) -> Path:
        """A copy of a bundle under its own name, to be spoilt."""
        target = self.folder / name / f"alpha-{number}"
        shutil.copytree(self.lab.bundle(number), target)
        return target


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("refusals")
        lab = make_lab(folder / "lab", api_url=shared_api, updates=20, content_bytes=1_000_000)
        receipt = lab.cross().document["receipt"]
        lab.accept(receipt, expect=0)
        lab.advance()
        lab.export()
        yield Pair(lab, folder)


def _refused(pair: Pair, bundle: Path, kind: str | None, exit_code: int = 3) -> Result:
    """See that an import refuses, that nothing changed by it, and that the intake is empty."""
    before = pair.lab.snapshot("disconnected")
    media = digests_below(bundle) if bundle.is_dir() else {}
    result = pair.lab.import_(bundle, expect=exit_code)
    assert result.document["outcome"] == ("refused" if exit_code in {3, 4} else "failed")
    assert kind is None or result.error["kind"] == kind, result.explain()
    assert result.error["message"]
    assert result.stderr.strip().splitlines()[-1].startswith(f"next: {result.error['next_step']}")
    assert pair.lab.snapshot("disconnected") == before
    assert (digests_below(bundle) if bundle.is_dir() else {}) == media
    if exit_code == 3:
        intake = pair.lab.work("disconnected") / "intake" / "alpha"
        assert not [path for path in intake.rglob("*") if path.is_file()]
    return result


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    path.write_bytes(content)


def _files(bundle: Path) -> list[Path]:
    """Every document, and of the content files the first, the smallest and the last."""
    content = sorted((bundle / "volume-001" / "content").rglob("*.*"))
    few = {content[0], min(content, key=lambda path: path.stat().st_size), content[-1]}
    documents = [path for path in sorted((bundle / "volume-001").iterdir()) if path.is_file()]
    assert len(documents) == 7
    return [*documents, *sorted(few)]


def test_a_changed_byte_in_any_file_is_found_by_verify_and_refused_by_import(pair: Pair) -> None:
    good = pair.lab.bundle(2)
    names = [path.relative_to(good) for path in _files(good)]
    for number, name in enumerate(names):
        bundle = pair.copy(f"flip-{number}")
        _flip(bundle / name)
        proved = pair.lab.run("disconnected", "verify", bundle, expect=3)
        assert proved.error["kind"] in {"seal", "tamper"}, proved.explain()
        # The sums are for people; where they alone are wrong the content is still proved.
        _refused(pair, bundle, None)
        shutil.rmtree(bundle)


def _truncate(bundle: Path) -> None:
    path = _files(bundle)[-1]
    path.write_bytes(path.read_bytes()[:-1])


def _lengthen(bundle: Path) -> None:
    path = _files(bundle)[-1]
    path.write_bytes(path.read_bytes() + b"\0")


def _undeclared(bundle: Path) -> None:
    (bundle / "volume-001" / "content" / "autorun.inf").write_text("[autorun]")


def _undeclared_volume(bundle: Path) -> None:
    (bundle / "volume-002").mkdir()


def _link(bundle: Path) -> None:
    path = _files(bundle)[-1]
    true = bundle.parent / "elsewhere.bin"
    path.rename(true)
    path.symlink_to(true)


def _linked_volume(bundle: Path) -> None:
    true = bundle.parent / "volume-elsewhere"
    (bundle / "volume-001").rename(true)
    (bundle / "volume-001").symlink_to(true)


def _no_header(bundle: Path) -> None:
    (bundle / "volume-001" / "header.json").unlink()


def _torn_header(bundle: Path) -> None:
    path = bundle / "volume-001" / "header.json"
    path.write_bytes(path.read_bytes()[:-200])


def _nothing(bundle: Path) -> None:
    shutil.rmtree(bundle / "volume-001")


@pytest.mark.parametrize(
    ("spoil", "kind", "exit_code"),
    [
        pytest.param(_truncate, None, 3, id="one byte less"),
        pytest.param(_lengthen, None, 3, id="one byte more"),
        pytest.param(_undeclared, "undeclared", 3, id="undeclared file"),
        pytest.param(_undeclared_volume, None, 3, id="undeclared folder"),
        pytest.param(_link, None, 3, id="link in place of a file"),
        pytest.param(_linked_volume, None, 3, id="link in place of a volume"),
        pytest.param(_no_header, "seal", 3, id="no seal"),
        pytest.param(_torn_header, "seal", 3, id="torn seal"),
        pytest.param(_nothing, "seal", 3, id="empty folder"),
    ],
)
def test_a_spoilt_bundle_is_refused(
    pair: Pair, spoil: Callable[[Path], None], kind: str | None, exit_code: int
) -> None:
    bundle = pair.copy(spoil.__name__)
    spoil(bundle)
    _refused(pair, bundle, kind, exit_code)


def test_a_missing_file_is_incomplete_and_the_import_goes_on_when_it_has_come(pair: Pair) -> None:
    bundle = pair.copy("missing")
    gone = {path: path.read_bytes() for path in _files(bundle)[-2:]}
    for path in gone:
        path.unlink()
    refused = _refused(pair, bundle, "bundle-incomplete", exit_code=1)
    assert "first " in refused.error["message"]
    verified = pair.lab.run("disconnected", "verify", bundle, expect=1)
    assert verified.error["kind"] == "bundle-incomplete"
    for result in (refused, verified):
        (faults,) = (each for each in result.document["sections"] if each["key"] == "faults")
        assert {Path(row[1]) for row in faults["rows"]} == gone.keys()
    for path, content in gone.items():
        path.write_bytes(content)
    pair.lab.run("disconnected", "verify", bundle, expect=0)


def test_a_bundle_of_another_site_or_chain_or_signed_by_a_stranger_is_refused(
    pair: Pair, shared_api: str, tmp_path: Path, stand_in: None
) -> None:
    stranger = make_lab(tmp_path / "other", api_url=shared_api, updates=12, content_bytes=200_000)
    bundle = Path(stranger.export().document["bundle"])
    _refused(pair, bundle, "seal")

    # The same keys on both sides, but a chain that began on another staging state.
    for name in ("staging.key", "staging.pub"):
        shutil.copy(pair.lab.folder / "keys" / name, stranger.folder / "keys" / name)
    other_chain = Path(stranger.export("--new").document["bundle"])
    _refused(pair, other_chain, "chain")

    site = stranger.site_file("staging")
    site.write_text(site.read_text().replace('name = "alpha"', 'name = "beta"'))
    mixed = run_here("export", "--site", str(site), "--json", expect=64)
    assert "state of site alpha" in mixed.error["message"]
    site.write_text(site.read_text().replace('state_dir = "state"', 'state_dir = "beta-state"'))
    beta = run_here("export", "--site", str(site), "--json", expect=0)
    _refused(pair, Path(beta.document["bundle"]), "wrong-site")
    verified = pair.lab.run("disconnected", "verify", beta.document["bundle"], expect=3)
    assert verified.error["kind"] == "wrong-site"


def test_a_path_that_is_not_there_is_a_usage_error(pair: Pair) -> None:
    missing = pair.folder / "nowhere" / "alpha-9"
    for command in ("import", "verify"):
        result = pair.lab.run("disconnected", command, missing, expect=64)
        assert result.error["kind"] == "path-missing"


def test_two_bundles_at_once_are_not_taken_for_one(pair: Pair) -> None:
    before = pair.lab.snapshot("disconnected")
    both = pair.lab.bundle(1), pair.lab.bundle(2)
    result = pair.lab.run("disconnected", "import", *both, expect=3)
    assert result.error["kind"] == "wrong-site"
    assert pair.lab.snapshot("disconnected") == before
