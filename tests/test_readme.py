"""The README says what the code does: the site file, the document, the reasons, the commands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from flows.command_line import app
from tasks.approvals.reasons import Reason
from tasks.bundle.keys import generate_keys
from tasks.metadata.audit import MissingReason
from tasks.reports.model import ErrorLine, json_schema
from tasks.site.reading import read_site
from tasks.site.settings import PolicySection, Site

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
# Where nothing is held: the server's own people decided, and theirs is kept.
_KEPT = {reason for reason in Reason if reason.value.startswith("locally-")}


@pytest.fixture
def site_file() -> dict[str, Any]:
    """The site file that the README shows."""
    return tomllib.loads(shown_site_file())


def shown_site_file() -> str:
    (shown,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert isinstance(shown, str)
    return shown


def part(heading: str) -> str:
    """What stands below a heading, up to the next one."""
    return README.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def test_the_site_file_that_is_shown_is_read_once_its_keys_lie_there(tmp_path: Path) -> None:
    made = generate_keys(tmp_path / "keys")
    made.public_key.rename(tmp_path / "keys" / "other-side.pub")
    for name in ("id_ed25519", "known_hosts"):
        (tmp_path / "keys" / name).touch()
    (tmp_path / "keys" / "notify.urls").touch(mode=0o600)
    (tmp_path / "site.toml").write_text(shown_site_file(), encoding="utf-8")

    assert read_site(tmp_path / "site.toml").name == "alpha"


def test_the_site_file_shows_every_key_and_no_other(site_file: dict[str, Any]) -> None:
    assert site_file.keys() == Site.model_fields.keys() - {"path"}
    for name, table in site_file.items():
        section = Site.model_fields[name].annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        keys = {field.alias or key for key, field in section.model_fields.items()}
        assert table.keys() == keys, name


def test_the_policy_that_is_shown_is_the_one_without_a_site_file(site_file: dict[str, Any]) -> None:
    assert site_file["policy"] == PolicySection().model_dump(mode="json")


def test_every_key_of_the_document_is_named() -> None:
    named = quoted(part("### The JSON document"))
    keys = {*json_schema()["properties"], *ErrorLine.model_fields}
    keys |= {
        *json_schema()["$defs"]["ApprovalOutcome"]["properties"],
        *json_schema()["$defs"]["ApprovalLine"]["properties"],
    }

    assert keys - named == set()


def test_every_reason_is_explained() -> None:
    explained = quoted(part("### The JSON document"))

    assert {reason.value for reason in MissingReason} - explained == set()
    assert {reason.value for reason in {*Reason} - _KEPT} - explained == set()


def test_every_command_is_in_the_table() -> None:
    table = part("### Commands")

    for command in (name for name in app if not name.startswith("-")):
        assert re.search(rf"^\|.*`{command}\b", table, re.MULTILINE), command
