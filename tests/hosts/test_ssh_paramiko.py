"""paramiko without documentation: one module uses such members, and one version was read."""

from __future__ import annotations

import random
import re
import socket
from importlib.metadata import version
from inspect import signature
from pathlib import Path

import paramiko
import pytest
from paramiko.packet import Packetizer

from tasks.hosts import ssh_paramiko
from tasks.hosts.factory import open_host
from tasks.hosts.ssh import SshHost
from tests.hosts.conftest import ssh_address
from tests.support import needs
from tests.support.sshd import Sshd
from tests.test_architecture import module_of, sources


def test_the_members_that_paramiko_does_not_document_are_those_of_the_installed_version() -> None:
    # With another version: read these members there again, then name that version.
    assert version("paramiko") == ssh_paramiko.VERSION_READ
    assert f"paramiko ({ssh_paramiko.VERSION_READ})" in str(ssh_paramiko.__doc__)


def test_the_members_take_what_we_pass() -> None:
    parameters = {
        member: list(signature(getattr(owner, member)).parameters)
        for owner, member in (
            (paramiko.SFTPClient, "_request"),
            (paramiko.SFTPClient, "_read_packet"),
            (paramiko.SFTPAttributes, "_unpack"),
            (paramiko.SFTPAttributes, "_pack"),
            (paramiko.Channel, "_check_add_window"),
            (paramiko.Channel, "_wait_for_send_window"),
            (paramiko.Channel, "_send_eof"),
            (paramiko.Channel, "_feed"),
            (paramiko.Transport, "_send_user_message"),
            (paramiko.Transport, "_send_message"),
            (Packetizer, "send_message"),
            (Packetizer, "write_all"),
            (Packetizer, "_trigger_rekey"),
        )
    }

    assert parameters == {
        "_request": ["self", "t", "args"],
        "_read_packet": ["self"],
        "_unpack": ["self", "msg"],
        "_pack": ["self", "msg"],
        "_check_add_window": ["self", "n"],
        "_wait_for_send_window": ["self", "size"],
        "_send_eof": ["self"],
        "_feed": ["self", "m"],
        "_send_user_message": ["self", "data"],
        "_send_message": ["self", "data"],
        "send_message": ["self", "data"],
        "write_all": ["self", "out"],
        "_trigger_rekey": ["self"],
    }


def test_the_state_that_we_read_and_change_is_there() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        packetizer = vars(Packetizer(ours))
        channel = vars(paramiko.Channel(1))
    fields = re.findall(r'_(?:get|set)\("(\w+)"', Path(ssh_paramiko.__file__).read_text())
    assert len(fields) > 5
    assert [name for name in fields if f"_Packetizer__{name}" not in packetizer] == []
    used = {"in_buffer", "lock", "remote_chanid", "out_window_size", "out_max_packet_size"}
    assert used <= set(channel)


def test_no_other_module_uses_them() -> None:
    private = re.compile(
        r"\b_(async_request|read_response|read_packet|convert_status|async_response|send_eof"
        r"|send_user_message|check_add_window|wait_for_send_window|trigger_rekey|Packetizer__)"
        r"|\bself\._request\(CMD_"
    )
    users = [module_of(path) for path in sources("tasks") if private.search(path.read_text())]

    assert users == ["tasks.hosts.ssh_paramiko"]


@needs.sshd
@pytest.mark.parametrize("cipher", ["aes128-gcm@openssh.com", "aes256-ctr"])
def test_with_a_version_that_was_not_read_and_other_ciphers_all_goes_on(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cipher: str
) -> None:
    if "gcm" in cipher:
        monkeypatch.setattr(paramiko, "__version__", "6.0.0")
    else:
        monkeypatch.setattr(paramiko.Transport, "_preferred_ciphers", (cipher,))
    _carry_both_ways(sshd, tmp_path)


@needs.sshd
def test_new_keys_in_the_middle_change_no_byte(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 1_000_000)
    exchanges = 0
    agree = paramiko.Transport._send_kex_init  # type: ignore[attr-defined]

    def count_and_agree(transport: paramiko.Transport) -> None:
        nonlocal exchanges
        exchanges += 1
        agree(transport)

    monkeypatch.setattr(paramiko.Transport, "_send_kex_init", count_and_agree)
    _carry_both_ways(sshd, tmp_path)
    assert exchanges > 5


def _carry_both_ways(sshd: Sshd, folder: Path) -> None:
    """Write and read a large file and many small ones."""
    host = open_host(ssh_address(sshd))
    assert isinstance(host, SshHost)
    draw = random.Random(1)
    large, small = draw.randbytes(5_000_001), [draw.randbytes(n * 997) for n in range(150)]
    path = host.path(str(folder / "large"))
    host.write(path, [memoryview(large)[:3_000_000], large[3_000_000:]])
    assert Path(path.text).read_bytes() == large
    assert b"".join(map(bytes, host.read(path))) == large
    paths = [host.path(str(folder / str(number))) for number in range(150)]
    ends = dict(host.write_files(zip(paths, small, strict=True)))
    assert ends == dict.fromkeys(range(150))
    assert [Path(path.text).read_bytes() for path in paths] == small
    assert dict(host.read_files((path, 200_000) for path in paths)) == dict(enumerate(small))
    host.close()
