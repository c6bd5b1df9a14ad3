"""paramiko without documentation: one module uses such members, and one version was read."""

from __future__ import annotations

import re
from importlib.metadata import version
from inspect import signature

import paramiko

from tasks.hosts import ssh_paramiko
from tests.test_architecture import module_of, sources


def test_the_members_that_paramiko_does_not_document_are_those_of_the_installed_version() -> None:
    # With another version: read these members there again, then name that version.
    assert f"paramiko ({version('paramiko')})" in str(ssh_paramiko.__doc__)


def test_the_members_take_what_we_pass() -> None:
    client = paramiko.SFTPClient
    parameters = {
        member: list(signature(getattr(owner, member)).parameters)
        for owner, member in (
            (client, "_request"),
            (client, "_async_request"),
            (client, "_read_response"),
            (client, "_convert_status"),
            (paramiko.SFTPFile, "_async_response"),
            (paramiko.Channel, "_send_eof"),
            (paramiko.Transport, "_send_user_message"),
        )
    }

    assert parameters == {
        "_request": ["self", "t", "args"],
        "_async_request": ["self", "fileobj", "t", "args"],
        "_read_response": ["self", "waitfor"],
        "_convert_status": ["self", "msg"],
        "_async_response": ["self", "t", "msg", "num"],
        "_send_eof": ["self"],
        "_send_user_message": ["self", "data"],
    }


def test_no_other_module_uses_them() -> None:
    private = re.compile(
        r"\b_(async_request|read_response|convert_status|async_response|send_eof"
        r"|send_user_message)\b|\bself\._request\(CMD_"
    )
    users = [module_of(path) for path in sources("tasks") if private.search(path.read_text())]

    assert users == ["tasks.hosts.ssh_paramiko"]
