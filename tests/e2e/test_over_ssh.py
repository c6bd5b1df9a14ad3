"""Crossings over a real sshd on loopback: a strange host key, and connections that break."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import needs
from tests.support.labs import ROOT, SIDES, Lab, equal_servers, make_lab

pytestmark = needs.sshd


@pytest.fixture
def served(tmp_path: Path, shared_api: str, stand_in: None) -> Iterator[Lab]:
    """A lab both of whose servers are reached over SSH alone."""
    lab = make_lab(tmp_path / "lab", updates=12, content_bytes=600_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.command_line", "lab", "serve", str(lab.folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        # Its first line comes when both answer.
        assert process.stdout.readline()
        for side in SIDES:
            over_ssh = lab.folder / side / "site-ssh.toml"
            lab.site_file(side).write_text(over_ssh.read_text(encoding="utf-8"), encoding="utf-8")
            lab.configure(side, "prefect", api_url=shared_api)
        yield lab
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_check_says_the_same_over_ssh_and_breaks_are_overcome(served: Lab) -> None:
    _compare_checks(served)
    for side in SIDES:
        assert 'address = "ssh://' in served.site_file(side).read_text(encoding="utf-8")
    served.fault("staging", "connection-drops")
    # Long enough to be cut in the middle of it.
    served.tune("staging", "wsusutil_seconds", 4.0)
    exported = served.export(expect=0)
    assert exported.document["files"]
    served.fault("disconnected", "connection-drops")
    served.tune("disconnected", "wsusutil_seconds", 4.0)
    imported = served.import_(1)
    assert imported.exit_code in {0, 2}, imported.explain()
    equal_servers(served, apart_from=imported)


def _compare_checks(served: Lab) -> None:
    """On the staging side alone, which has every topic; a note stops nothing afterwards."""
    served.fault("staging", "proxy-basic")
    path = served.site_file("staging")
    over_ssh = path.read_text(encoding="utf-8")
    told = served.run("staging", "check").document
    served.configure("staging", "server", address="local")
    here = served.run("staging", "check").document
    path.write_text(over_ssh, encoding="utf-8")
    assert [finding["id"] for finding in told["findings"]] == ["proxy-basic-authentication"]
    assert (told["findings"], told["exit_code"]) == (here["findings"], here["exit_code"])
    for key in ("configuration", "examined"):
        first, second = ([s for s in d["sections"] if s["key"] == key] for d in (told, here))
        assert first == second


def test_a_changed_host_key_is_refused_until_it_is_the_pinned_one_again(served: Lab) -> None:
    served.fault("staging", "host-key")
    refused = served.export(expect=3)
    assert refused.error["kind"] == "host-key"
    assert "known_hosts" in refused.error["next_step"]
    assert not list((served.folder / "media").iterdir())
    served.fault("staging", "host-key", on=False)
    served.export(expect=0)

    before = served.snapshot("disconnected")
    served.fault("disconnected", "host-key")
    assert served.import_(1, expect=3).error["kind"] == "host-key"
    assert served.snapshot("disconnected") == before
    served.fault("disconnected", "host-key", on=False)
    imported = served.import_(1)
    assert imported.exit_code in {0, 2}, imported.explain()
    equal_servers(served, apart_from=imported)
