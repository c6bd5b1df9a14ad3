"""The files that a site file names are looked into before hours of work need them."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from tasks.bundle.keys import generate_keys
from tasks.errors import SiteFileError
from tasks.hosts.ssh_known_hosts import known_hosts_line
from tasks.site.checking import require_keys, require_sound
from tasks.site.reading import read_site
from tests.support.runs import write_site_file

SSH = 'address = "ssh://svc@wsus:2222"\nknown_hosts = "hosts"\nidentity_file = "identity"'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file that trusts another side's key and reaches its server over SSH."""
    site = write_site_file(tmp_path, side="staging")
    generate_keys(tmp_path / "other")
    text = site.read_text(encoding="utf-8").replace('"keys/signing.pub"', '"other/signing.pub"')
    site.write_text(text.replace('address = "local"', SSH), encoding="utf-8")
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "identity"))
    line = known_hosts_line("[wsus]:2222", key.get_name(), key.asbytes())
    (tmp_path / "hosts").write_text(f"{line}\n", encoding="ascii")
    return site


def faults_of(site: Path) -> tuple[str, ...]:
    with pytest.raises(SiteFileError) as caught:
        require_sound(read_site(site))
    return caught.value.problems


def test_a_sound_site_has_no_faults(site: Path) -> None:
    require_sound(read_site(site))


def test_files_that_hold_no_key_are_all_named_with_their_lines(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    require_keys(read_site(site))
    for name in ("signing.key", "signing.pub", "receipt.secret"):
        (tmp_path / "keys" / name).write_text("no key", encoding="utf-8")

    with pytest.raises(SiteFileError) as caught:
        require_keys(read_site(site))

    keys = [problem.split(": ")[:2] for problem in caught.value.problems]
    assert keys == [
        ["line 14", "trust.signing_key"],
        ["line 15", "trust.trusted_keys.0"],
        ["line 16", "trust.receipt_secret"],
    ]


def test_the_own_key_among_the_trusted_is_named_and_stops_no_run(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="staging")
    require_keys(read_site(site))

    (fault,) = faults_of(site)

    assert fault.startswith("line 15: trust.trusted_keys.0: ")
    assert "this side's own key" in fault


def test_empty_files_for_ssh_are_named_together(site: Path) -> None:
    for name in ("hosts", "identity"):
        (site.parent / name).write_bytes(b"")
    require_keys(read_site(site))

    hosts, identity = faults_of(site)

    assert hosts.startswith(f"line 7: server.known_hosts: {site.parent / 'hosts'} is empty")
    assert identity == f"line 8: server.identity_file: {site.parent / 'identity'} is empty"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "file not found"), ("# none\n", "no host key for [wsus]:2222"),
     ("other ssh-rsa AAAA\n", "no host key for [wsus]:2222")],
)  # fmt: skip
def test_a_known_hosts_file_that_pins_no_key_of_the_server_is_named(
    site: Path, content: str | None, words: str
) -> None:
    (site.parent / "hosts").unlink()
    if content is not None:
        (site.parent / "hosts").write_text(content, encoding="ascii")

    (fault,) = faults_of(site)

    assert words in fault


def test_a_revoked_host_key_pins_nothing(site: Path) -> None:
    hosts = site.parent / "hosts"
    hosts.write_text(f"@revoked {hosts.read_text(encoding='ascii')}", encoding="ascii")

    (fault,) = faults_of(site)

    assert "pins no host key" in fault


def test_an_identity_file_that_is_no_private_key_is_named(site: Path) -> None:
    (site.parent / "identity").write_text("no key", encoding="ascii")

    (fault,) = faults_of(site)

    assert "server.identity_file" in fault
    assert "is no private key without a passphrase" in fault
