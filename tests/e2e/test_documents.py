"""The JSON document of every command and of every refusal, against its schema and its rules."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.reports.schema_file import SCHEMA_FILE
from tests.support.labs import ROOT, Lab, Result, make_lab, run_here

_ALWAYS = {"version", "command", "site", "outcome", "exit_code", "errors", "report"}
_OUTCOMES = {0: "done", 1: "failed", 2: "flagged", 3: "refused", 4: "refused", 64: "failed"}
_LINE = {"update_id", "revision", "group", "action", "deadline", "optional", "reason"}
_MISSING = {
    "update_id", "revision", "title", "kb", "file", "size_bytes", "reason", "reason_text",
}  # fmt: skip
_SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def check(result: Result, command: str, site: str | None = "alpha") -> dict[str, Any]:
    """Hold one document against the schema and what the schema cannot say."""
    document = result.document
    jsonschema.validate(document, _SCHEMA)
    assert set(document) >= _ALWAYS
    assert (document["command"], document["site"]) == (command, site)
    assert document["exit_code"] == result.exit_code
    assert document["outcome"] == _OUTCOMES[result.exit_code]
    assert bool(document["errors"]) == (result.exit_code in {1, 3, 4, 64})
    for error in document["errors"]:
        assert set(error) == {"kind", "message", "next_step"}
        assert all(error.values())
    for key in ("report", "bundle", "receipt"):
        assert document.get(key) is None or Path(document[key]).is_absolute()
    for lines in (document.get("approvals") or {}).values():
        assert all(set(line) == _LINE for line in lines)
    for missing in document.get("missing") or ():
        assert set(missing) == _MISSING
    _check_streams(result)
    return document


def _check_streams(result: Result) -> None:
    assert result.stdout.count("\n") == 1, "one document on one line, and nothing else"
    assert result.stdout.isascii()
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("next: ")
    assert len(last) > len("next: x")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, shared_api: str) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WSUS_LAB_POWERSHELL", "stand-in")
        folder = tmp_path_factory.mktemp("documents")
        yield make_lab(folder / "lab", api_url=shared_api, updates=20, content_bytes=1_000_000)


def test_every_command_of_two_months_keeps_to_the_shape(lab: Lab) -> None:
    for side in ("staging", "disconnected"):
        check(lab.run(side, "status", expect=0), "status")
        check(lab.run(side, "site", "check", expect=0), "site check")
    exported = check(lab.export(), "export")
    assert {"bundle", "sequence", "base", "files", "bytes", "missing"} <= set(exported)
    bundle = exported["bundle"]
    for side in ("staging", "disconnected"):
        verified = check(lab.run(side, "verify", bundle, expect=0), "verify")
        assert (verified["files"], verified["bytes"]) == (exported["files"], exported["bytes"])
    imported = check(lab.import_(Path(bundle)), "import")
    assert {
        "bundle", "sequence", "base", "files", "bytes", "placed", "approvals", "missing",
        "receipt", "receipt_code",
    } <= set(imported)  # fmt: skip
    assert re.fullmatch(r"[0-9A-Z-]+", imported["receipt_code"])
    accepted = check(lab.accept(imported["receipt"], expect=0), "accept")
    assert (accepted["bundle"], accepted["sequence"]) == (bundle, 1)
    lab.advance()
    second = check(lab.export("--mode", "mirror"), "export")
    refused = check(lab.import_(Path(second["bundle"]), expect=4), "import")
    assert len(refused["plan_digest"]) == 64
    again = check(
        lab.import_(Path(second["bundle"]), "--confirm", refused["plan_digest"]), "import"
    )
    for command in (("audit",), ("audit", "--all")):
        audited = check(lab.run("disconnected", *command), "audit")
        assert audited["approvals"]["held"] == again["approvals"]["held"]
        assert audited["approvals"]["parked"] == again["approvals"]["parked"]
    status = check(lab.run("disconnected", "status"), "status")
    assert status["approvals"]["parked"] == again["approvals"]["parked"]
    assert status["approvals"]["held"] == again["approvals"]["held"]
    _reports_are_there(lab)


def _reports_are_there(lab: Lab) -> None:
    """Each run left its report, and no secret in it."""
    secret = (lab.folder / "keys" / "receipt.secret").read_text().strip()
    for side in ("staging", "disconnected"):
        reports = list((lab.folder / side / "state" / "reports").glob("*/*"))
        assert len(reports) > 4
        for path in reports:
            assert secret not in path.read_text(encoding="utf-8")


def test_commands_without_a_site_keep_to_the_shape(tmp_path: Path) -> None:
    created = run_here(
        "lab", "create", str(tmp_path / "lab"), "--updates", "12", "--json", expect=0
    )
    check(created, "lab create", None)
    check(
        run_here("lab", "advance", str(tmp_path / "lab"), "--json", expect=0), "lab advance", None
    )
    check(run_here("lab", "fault", "--list", "--json", expect=0), "lab fault", None)
    fault = ("lab", "fault", str(tmp_path / "lab"), "staging", "file-rots")
    for switch in ("on", "off"):
        check(run_here(*fault, switch, "--json", expect=0), "lab fault", None)
    check(run_here("keygen", str(tmp_path / "keys"), "--json", expect=0), "keygen", None)
    check(run_here("lab", "create", str(tmp_path / "lab"), "--json", expect=64), "lab create", None)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["nonsense"], id="no such command"),
        pytest.param(["export", "--nonsense"], id="no such option"),
        pytest.param(["export", "--mode", "full"], id="no such mode"),
        pytest.param(["import"], id="no bundle"),
        pytest.param(["verify"], id="nothing to verify"),
        pytest.param(["accept"], id="no receipt"),
        pytest.param(["lab", "fault", "x"], id="half a fault"),
        pytest.param(["lab", "state", "/nowhere-at-all-5c1f", "staging"], id="no such lab"),
        pytest.param(["lab", "advance", "/nowhere-at-all-5c1f"], id="no lab to advance"),
        pytest.param(["keygen"], id="no folder for keys"),
        pytest.param(["verify", "alpha-1\udcff"], id="a name that is not UTF-8"),
        pytest.param(["accept", "\udcff.receipt.json"], id="a receipt's name that is not UTF-8"),
        pytest.param(["export", "--site", "/nowhere-at-all-5c1f/site.toml"], id="no site file"),
        pytest.param(
            ["import", "/nowhere-at-all-5c1f", "--rehearse"], id="an option that is not there yet"
        ),
    ],
)
def test_a_usage_error_is_a_document_too(words: list[str]) -> None:
    result = run_here(*words, "--json", expect=64)
    named = [word for word in words if not word.startswith("-")]
    command = " ".join(named[:2]) if named[0] == "lab" else named[0]
    check(result, command, None)


def test_a_command_of_the_other_side_is_a_usage_error(lab: Lab) -> None:
    for side, words in (
        ("disconnected", ("export",)),
        ("disconnected", ("accept", "x")),
        ("staging", ("import", str(lab.folder))),
        ("staging", ("audit",)),
    ):
        refused = lab.run(side, *words, expect=64)
        check(refused, words[0])
        assert refused.error["kind"] == "wrong-side"


def test_every_path_that_a_refusal_names_is_absolute(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for side, words in (("staging", ("verify", "../gone")), ("disconnected", ("import", "gone"))):
        refused = lab.run(side, *words, expect=64)
        named = check(refused, words[0])["errors"][0]["message"]
        assert str(Path(words[1]).resolve()) in named
    for line in ("lab advance gone", "lab state gone staging"):
        refused = run_here(*line.split(), "--json", expect=64)
        assert refused.error["message"].startswith(str(tmp_path / "gone"))


def test_a_receipt_that_is_none_is_refused(lab: Lab, tmp_path: Path) -> None:
    text = tmp_path / "receipt.json"
    text.write_text("{}")
    assert check(lab.accept(str(text), expect=3), "accept")
    assert check(lab.accept("/nowhere-at-all-5c1f/receipt.json", expect=64), "accept")
    assert check(lab.accept("much" * 2_000, expect=64), "accept")
    refused = check(lab.accept("ABCD-EFGH-JKMN-PQRS-TVW", expect=64), "accept")
    assert refused["errors"][0]["next_step"]


def test_all_that_is_wrong_with_a_site_file_is_said_at_once(lab: Lab, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    text = lab.site_file("staging").read_text()
    text = text.replace('side = "staging"', 'side = "north"').replace("../keys/", "../nokeys/")
    site.write_text(
        text + '\n[policy]\nmode = 7\nmax_deletes = -1\nsurprise = "x"\n[extra]\na = 1\n'
    )
    for words in (("site", "check"), ("status",), ("export",)):
        result = run_here(*words, "--site", str(site), "--json", expect=64)
        document = check(result, " ".join(words), None)
        message = document["errors"][0]["message"]
        for key in ("site.side", "policy.mode", "policy.max_deletes", "policy.surprise", "extra"):
            assert key in message
        for key in ("trust.signing_key", "trust.trusted_keys.0", "trust.receipt_secret"):
            assert key in message, "files that are not there are said in the same breath"
    site.write_text(lab.site_file("staging").read_text().replace("../keys/", "../nokeys/"))
    missing = run_here("site", "check", "--site", str(site), "--json", expect=64)
    for key in ("trust.signing_key", "trust.trusted_keys.0", "trust.receipt_secret"):
        assert key in missing.error["message"]
    site.write_text('path = "x"\n' + lab.site_file("staging").read_text())
    unknown = run_here("site", "check", "--site", str(site), "--json", expect=64)
    assert "path: unknown key" in unknown.error["message"]
    site.write_text("[site\n")
    run_here("site", "check", "--site", str(site), "--json", expect=64)


def test_keys_that_are_none_are_said_before_anything_is_done(lab: Lab, tmp_path: Path) -> None:
    text = lab.site_file("staging").read_text()
    wrong = {"signing_key": '"no.key"', "trusted_keys": '["no.key"]', "receipt_secret": '"no.key"'}
    for key, value in wrong.items():
        text = re.sub(rf"(?m)^{key} = .*", f"{key} = {value}", text)
    (tmp_path / "no.key").write_text("not a key\n")
    site = tmp_path / "site.toml"
    site.write_text(text)
    for words in (("site", "check"), ("export",), ("status",)):
        refused = run_here(*words, "--site", str(site), "--json", expect=64)
        for key in ("trust.signing_key", "trust.trusted_keys.0", "trust.receipt_secret"):
            assert key in refused.error["message"], (words, refused.explain())


def test_a_command_as_a_process_of_its_own_prints_one_document_and_nothing_else(
    lab: Lab, tmp_path: Path, stand_in: None
) -> None:
    alone = make_lab(tmp_path / "alone", updates=12, content_bytes=200_000)
    hostile = {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_HOME": str(tmp_path / "nobody"),
    }
    exported = alone.run_command("staging", "export", variables=hostile, expect=0)
    check(exported, "export")
    assert not (tmp_path / "nobody").exists()

    # The bundle, named by a path from the folder where the command runs, was tampered with.
    (alone.bundle(1) / "volume-001" / "approvals.jsonl").write_bytes(b"")
    refused = alone.run_command("disconnected", "import", "../media/alpha-1", expect=3)
    assert check(refused, "import")["bundle"] == str(tmp_path / "alone" / "media" / "alpha-1")


@pytest.mark.parametrize(
    ("redirected", "exit_code"),
    [
        ('lab create "$DIR" --json <&- >&- 2>&-', 64),
        ('lab create "$DIR" --json 2>&-', 64),
        ('lab create "$DIR" --json >/dev/full', 64),
        ('lab create "$DIR" --json | true', 64),
        ('lab state "$DIR" staging | true', 0),
    ],
)
def test_streams_that_are_closed_or_lead_nowhere_change_no_exit_code(
    lab: Lab, redirected: str, exit_code: int
) -> None:
    line = f'"{sys.executable}" -m flows.command_line {redirected}; exit "${{PIPESTATUS[0]}}"'
    ended = subprocess.run(
        ["bash", "-c", line], check=False, cwd=ROOT, env={**os.environ, "DIR": str(lab.folder)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, "Traceback" in ended.stderr) == (exit_code, False), ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert "error:" not in ended.stdout


def test_ctrl_c_and_terminate_end_with_a_document_and_free_locks(
    lab: Lab, tmp_path: Path, stand_in: None
) -> None:
    alone = make_lab(tmp_path / "stopped", updates=12, content_bytes=200_000)
    alone.configure("staging", "prefect", api_url=_api_of(lab))
    alone.fault("staging", "wsusutil-hang")
    for stop in (signal.SIGINT, signal.SIGTERM):
        with alone.start("staging", "export") as process:
            limit = time.monotonic() + 60
            while not (alone.work("staging") / "locks" / "alpha.lock").exists():
                assert process.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.1)
            process.send_signal(stop)
            stdout, stderr = process.communicate(timeout=60)
        assert "Traceback" not in stderr, stderr
        document = json.loads(stdout)
        assert (document["exit_code"], document["errors"][0]["kind"]) == (1, "interrupted"), stdout
        assert document["site"] == "alpha"
        assert stderr.strip().splitlines()[-1].startswith("next: Run the same command again")
        assert not list(alone.folder.rglob("*.lock"))
    alone.fault("staging", "wsusutil-hang", on=False)
    assert alone.export().document["sequence"] == 1


def _api_of(lab: Lab) -> str:
    found = re.search(r'api_url = "(.*)"', lab.site_file("staging").read_text())
    assert found
    return found[1]


def test_a_person_reads_a_summary_where_no_document_is_asked_for(lab: Lab) -> None:
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from flows.command_line import run

    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert run(["status", "--site", str(lab.site_file("staging"))]) == 0
    assert "Baseline" in out.getvalue()
    assert not out.getvalue().startswith("{")
    assert err.getvalue().strip().splitlines()[-1].startswith("next: ")
