"""Who sealed a bundle, what it brings, and a second person's signature, on a lab."""

from __future__ import annotations

from pathlib import Path

from tasks.bundle.keys import generate_keys
from tests.support.labs import Lab


def test_show_tells_who_sealed_a_bundle_and_what_it_brings(small_lab: Lab) -> None:
    bundle = small_lab.run("staging", "export", expect=0).document["bundle"]

    document = small_lab.run("disconnected", "show", bundle, expect=0).document

    (signer,) = document["signers"]
    assert (signer["trusted"], signer["name"]) == (True, "staging.pub")
    approved = {
        (approval["update_id"], approval["revision"])
        for approval in small_lab.state("staging")["approvals"]
        if approval["action"] != "NotApproved"
    }
    assert {(line["update_id"], line["revision"]) for line in document["brings"]} == approved
    assert any(line["cves"] for line in document["brings"])
    assert document["sequence"] == 1
    assert document["base"] is None
    page = Path(document["report"]).read_text(encoding="utf-8")
    assert signer["fingerprint"] in page
    assert document["details"]["digest"] in page


def test_a_second_month_brings_what_the_base_did_not_have(small_lab: Lab) -> None:
    receipt = small_lab.cross().document["receipt"]
    small_lab.accept(receipt, expect=0)
    before = {approval["update_id"] for approval in small_lab.state("staging")["approvals"]}
    small_lab.advance()
    bundle = small_lab.run("staging", "export").document["bundle"]

    document = small_lab.run("disconnected", "show", bundle).document

    new = {line["update_id"] for line in document["brings"] if line["new"]}
    after = {approval["update_id"] for approval in small_lab.state("staging")["approvals"]}
    assert document["base"] == 1
    assert after - before <= new
    assert not any("is not true" in notice for notice in document["notices"])
    imported = small_lab.import_(2)
    assert not any("is not true" in notice for notice in imported.document["notices"])


def test_a_bundle_that_two_must_sign_is_refused_with_one(small_lab: Lab, tmp_path: Path) -> None:
    second = generate_keys(tmp_path / "second")
    for side, other in (("staging", "disconnected"), ("disconnected", "staging")):
        keys = [f"../keys/{other}.pub", str(second.public_key)]
        small_lab.configure(side, "trust", trusted_keys=keys, threshold=2)

    exported = small_lab.run("staging", "export", expect=2).document
    bundle = Path(exported["bundle"])
    refused = small_lab.run("disconnected", "import", bundle, expect=3)
    shown = small_lab.run("disconnected", "show", bundle, expect=2).document
    signed = small_lab.run("staging", "sign", bundle, "--key", second.signing_key, expect=0)
    again = small_lab.run("staging", "export", expect=0).document

    assert refused.error["kind"] == "seal"
    assert [signer["trusted"] for signer in shown["signers"]] == [True]
    assert shown["details"]["digest"] == signed.document["details"]["digest"]
    assert [signer["trusted"] for signer in signed.document["signers"]] == [True, True]
    assert again["bundle"] == str(bundle)
    small_lab.run("disconnected", "verify", bundle, expect=0)
    imported = small_lab.import_(bundle)
    assert imported.exit_code in {0, 2}, imported.explain()
    small_lab.run("staging", "accept", imported.document["receipt"], expect=0)
    card = bundle.with_name(f"carry-card-{bundle.name}.txt").read_text(encoding="utf-8")
    assert second.fingerprint in card
    assert shown["details"]["digest"] in card


def test_an_encrypted_key_signs_with_the_passphrase_of_a_file(
    small_lab: Lab, tmp_path: Path
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n", encoding="utf-8")
    keys = generate_keys(tmp_path / "own", passphrase=b"correct horse")
    small_lab.configure("staging", "trust", signing_key=str(keys.signing_key))
    small_lab.configure("disconnected", "trust", trusted_keys=[str(keys.public_key)])

    refused = small_lab.run("staging", "export", expect=64)
    small_lab.configure("staging", "trust", passphrase_file=str(passphrase))
    bundle = small_lab.run("staging", "export", expect=0).document["bundle"]

    assert "passphrase" in refused.error["message"]
    small_lab.run("disconnected", "verify", bundle, expect=0)


def test_a_stolen_key_is_shut_out_and_the_chain_goes_on(small_lab: Lab, tmp_path: Path) -> None:
    """The runbook's page on a stolen key."""
    small_lab.accept(small_lab.cross().document["receipt"], expect=0)
    by_thief = small_lab.export("--new").document["bundle"]
    new = generate_keys(tmp_path / "new")

    small_lab.configure("disconnected", "trust", trusted_keys=[str(new.public_key)])
    refused = small_lab.run("disconnected", "import", by_thief, expect=3)
    small_lab.configure("staging", "trust", signing_key=str(new.signing_key))
    bundle = small_lab.export("--new").document["bundle"]
    imported = small_lab.import_(Path(bundle), expect=2)

    assert refused.error["kind"] == "seal"
    assert imported.document["sequence"] == 3
    assert any("bundle 2 never came" in notice for notice in imported.document["notices"])
    small_lab.accept(imported.document["receipt"], expect=0)
    small_lab.run("staging", "history", "--verify", expect=0)


def test_a_lost_key_is_followed_by_a_new_one_while_a_bundle_is_on_its_way(
    small_lab: Lab, tmp_path: Path
) -> None:
    """The runbook's page on a lost key."""
    on_its_way = Path(small_lab.export().document["bundle"])
    new = generate_keys(tmp_path / "new")
    small_lab.configure("staging", "trust", signing_key=str(new.signing_key))
    both = ["../keys/staging.pub", str(new.public_key)]
    small_lab.configure("disconnected", "trust", trusted_keys=both)

    first = small_lab.import_(on_its_way)
    small_lab.accept(first.document["receipt"], expect=0)
    second = small_lab.import_(Path(small_lab.export("--new").document["bundle"]))

    assert (first.document["sequence"], second.document["sequence"]) == (1, 2)
    assert second.document["signers"][0]["fingerprint"] == new.fingerprint


def test_a_new_signer_signs_beside_the_old_ones_and_no_bundle_adds_the_key(
    small_lab: Lab, tmp_path: Path
) -> None:
    """The runbook's page on a new signer."""
    new = generate_keys(tmp_path / "new")
    small_lab.configure("staging", "trust", signing_key=str(new.signing_key))
    bundle = Path(small_lab.export().document["bundle"])
    assert small_lab.import_(bundle, expect=3).error["kind"] == "seal"

    both = ["../keys/staging.pub", str(new.public_key)]
    small_lab.configure("disconnected", "trust", trusted_keys=both)
    first = small_lab.import_(bundle)
    small_lab.accept(first.document["receipt"], expect=0)
    small_lab.configure("staging", "trust", signing_key="../keys/staging.key")
    second = small_lab.import_(Path(small_lab.export("--new").document["bundle"]))

    signers = [each.document["signers"][0]["name"] for each in (first, second)]
    assert signers == ["signing.pub", "staging.pub"]
