"""``site init``: the file names every key of its side, and what it writes is accepted."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flows.command_line import run
from tasks.bundle.keys import generate_keys
from tasks.names import Side
from tasks.site.checking import require_sound
from tasks.site.described_keys import DESCRIBED_KEYS
from tasks.site.new_file import SiteAnswers, site_file_text
from tasks.site.reading import read_site
from tasks.site.settings import Site

ROOT = Path(__file__).resolve().parents[2]


def init(folder: Path, *words: str) -> int:
    return run(["site", "init", "--site", str(folder / "site.toml"), *words])


def enough(folder: Path, side: str = "staging") -> list[str]:
    """Options that suffice without a terminal."""
    return ["--name", "alpha", "--side", side, "--media", str(folder / "media")]


def without_comment_signs(text: str) -> str:
    """The site file with every key that it only shows."""
    return re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_key_of_the_models_is_described_once() -> None:
    described = [(key.table, key.name) for key in DESCRIBED_KEYS]
    fields = [
        (table, field.alias or name)
        for table, section in Site.model_fields.items()
        if isinstance(section.annotation, type) and issubclass(section.annotation, BaseModel)
        for name, field in section.annotation.model_fields.items()
    ]

    assert sorted(described) == sorted(fields)


@pytest.mark.parametrize("side", list(Side))
def test_what_it_writes_is_accepted_and_so_is_every_key_that_it_only_shows(
    tmp_path: Path, side: Side
) -> None:
    other = generate_keys(tmp_path / "other").public_key

    assert init(tmp_path, *enough(tmp_path, side), "--trusted-key", str(other)) == 0

    path = tmp_path / "site.toml"
    site = read_site(path)
    require_sound(site)
    assert (site.name, site.side, site.media.path) == ("alpha", side, tmp_path / "media")
    for name in ("id", "known_hosts", "notify.urls"):
        (tmp_path / "keys" / name).touch(mode=0o600)
    path.write_text(without_comment_signs(path.read_text(encoding="utf-8")), encoding="utf-8")
    shown = read_site(path)
    assert shown.policy == site.policy
    assert set(shown.schedule.timings) >= {"check", "verify"}


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_path_is_read_back_as_it_was_given(media: str, return_path: str) -> None:
    answers = SiteAnswers(
        name="alpha",
        side=Side.DISCONNECTED,
        media=media,
        return_path=return_path,
        signing_key="a",
        trusted_key="b",
        receipt_secret="c",
    )

    table = tomllib.loads(site_file_text(answers))

    assert table["media"] == {"path": media, "return_path": return_path}


def test_the_keys_are_made_once_and_used_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(tmp_path, *enough(tmp_path)) == 0
    keys = snapshot(tmp_path / "keys")
    shown = capsys.readouterr()
    assert "trust.trusted_keys.0: file not found" in shown.out
    assert f"wsus-airgap site check --site {tmp_path / 'site.toml'}" in shown.err
    (tmp_path / "site.toml").unlink()

    assert init(tmp_path, *enough(tmp_path)) == 0

    assert snapshot(tmp_path / "keys") == keys


def test_both_sides_get_the_same_secret_and_each_other_s_key(tmp_path: Path) -> None:
    staging, disconnected = tmp_path / "staging", tmp_path / "disconnected"
    assert init(staging, *enough(staging)) == 0
    secret = str(staging / "keys" / "receipt.secret")
    carried = ["--trusted-key", str(staging / "keys" / "signing.pub"), "--receipt-secret", secret]

    assert init(disconnected, *enough(disconnected, "disconnected"), *carried) == 0

    require_sound(read_site(disconnected / "site.toml"))
    made = (disconnected / "keys" / "receipt.secret").read_bytes()
    assert made == Path(secret).read_bytes()


def test_nothing_is_overwritten_and_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    assert init(tmp_path, *enough(tmp_path)) == 0
    before = snapshot(tmp_path)

    assert init(tmp_path, *enough(tmp_path)) == 64
    (tmp_path / "other").mkdir()
    own = str(tmp_path / "keys" / "signing.pub")
    (tmp_path / "site.toml").rename(tmp_path / "site.old")
    assert init(tmp_path, *enough(tmp_path), "--trusted-key", own) == 64
    assert init(tmp_path / "other", "--name", "alpha", "--side", "staging") == 64
    assert init(tmp_path / "other", *enough(tmp_path), "--server", "wsus01") == 64

    (tmp_path / "site.old").rename(tmp_path / "site.toml")
    assert snapshot(tmp_path) == before


def test_on_a_terminal_it_asks_again_until_an_answer_is_right(tmp_path: Path) -> None:
    answers = ["al pha", "alpha", "stagin", "staging", "", "media", "", ""]

    shown = at_a_terminal(tmp_path, ["site", "init"], answers)

    assert "'al pha' is no name" in shown
    site = (tmp_path / "site.toml").read_text(encoding="utf-8")
    assert 'name = "alpha"' in site
    assert f'path = "{tmp_path / "media"}"' in site
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600


def at_a_terminal(folder: Path, words: list[str], answers: list[str]) -> str:
    """Run a command on a terminal of its own, answer its questions, and return what it showed."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.command_line", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown, answered, ends = "", 0, time.monotonic() + 60
    while time.monotonic() < ends:
        if select.select([master], [], [], 0.2)[0]:
            try:
                shown += os.read(master, 65_536).decode()
            except OSError:
                break  # the command has ended
        if answered < len(answers) and shown.count(": ") > 0 and shown.endswith(": "):
            os.write(master, f"{answers[answered]}\n".encode())
            answered += 1
            shown += "\n"
    os.close(master)
    assert process.wait(10) == 0, shown
    return shown
