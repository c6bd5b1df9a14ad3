"""All that is wrong with a site file is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import PathMissingError, SiteFileError
from tasks.run.keys import require_keys
from tasks.site.reading import read_site
from tests.support.runs import write_site_file


def test_wrong_keys_and_missing_files_are_said_together(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    text = site.read_text(encoding="utf-8").replace('"keys/signing.key"', '"keys/none.key"')
    site.write_text(f'path = "x"\n{text}max_lost_share = "much"\n', encoding="utf-8")

    with pytest.raises(SiteFileError) as caught:
        read_site(site)

    for problem in ("path: unknown key", "trust.signing_key: file", "policy.max_lost_share: "):
        assert problem in caught.value.message


def test_a_site_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    site.write_text(site.read_text(encoding="utf-8"), encoding="utf-8-sig")

    assert read_site(site).name == "alpha"


def test_a_site_file_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(PathMissingError) as caught:
        read_site(tmp_path / "site.toml")

    assert str(tmp_path / "site.toml") in caught.value.message
    assert "WSUS_AIRGAP_SITE" in caught.value.next_step


@pytest.mark.parametrize("address", ["ssh://host", "ssh://u@h:99999", "ssh://u:secret@h:99999"])
def test_an_address_that_ssh_cannot_use_is_named_with_what_else_it_lacks(
    tmp_path: Path, address: str
) -> None:
    site = write_site_file(tmp_path, side="staging")
    text = site.read_text(encoding="utf-8")
    site.write_text(text.replace('address = "local"', f'address = "{address}"'), encoding="utf-8")

    with pytest.raises(SiteFileError) as caught:
        read_site(site)

    for key in ("server.address: ", "server.known_hosts: "):
        assert key in caught.value.message
    assert "secret" not in caught.value.message


def test_files_that_hold_no_key_are_all_named(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    require_keys(read_site(site))
    for name in ("signing.key", "signing.pub", "receipt.secret"):
        (tmp_path / "keys" / name).write_text("no key", encoding="utf-8")

    with pytest.raises(SiteFileError) as caught:
        require_keys(read_site(site))

    for key in ("trust.signing_key", "trust.trusted_keys.0", "trust.receipt_secret"):
        assert key in caught.value.message
