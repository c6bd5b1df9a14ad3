"""Programs in the place of wsusutil and PowerShell that lie, break or hang."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psutil

from deploy.lab.rules import approval_actions, groups, update_search
from deploy.lab.rules.scope import Scope
from tasks.visible import visible
from tests.support.labs import ROOT, Lab, decision, equal_servers

LOG_IN_GERMAN = """<?xml version="1.0" encoding="utf-8"?>
<ImportLog StartTime="2026-01-01T00:00:00Z" EndTime="2026-01-01T00:00:05Z">
<ImportError>Zeitüberschreitung beim Warten auf die Datenbank.</ImportError>
</ImportLog>
"""


# Copies a package without one update.
LEAVE_OUT = """
import gzip, sys
from lxml import etree
source, target, update_id = sys.argv[1:]
root = etree.fromstring(gzip.decompress(open(source, "rb").read()))
for update in root.iterfind(f"Updates/Update[@UpdateId='{update_id}']"):
    update.getparent().remove(update)
open(target, "wb").write(gzip.compress(etree.tostring(root)))
"""


def _undecided(lab: Lab) -> str:
    """An update of staging that people see and nobody approved or declined."""
    state = lab.state("staging")
    decided = {each["update_id"] for kind in ("approvals", "declines") for each in state[kind]}
    with lab.server("staging") as server:
        shown = [row.update_id for row in update_search.search_updates(server, Scope())]
    return next(each for each in shown if each not in decided)


def _replace(lab: Lab, side: str, program: str, script: str) -> Path:
    """Put a script in a program's place; ``$REAL`` in it is the true one, ``$FOLDER`` its own."""
    folder = lab.folder / side / "liar"
    folder.mkdir(exist_ok=True)
    path = folder / program
    real = lab.folder / side / program
    path.write_text(f"#!/bin/sh\nREAL='{real}'\nFOLDER='{folder}'\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    lab.configure(side, "server", **{program: [str(path)]})
    return folder


def _restore(lab: Lab, side: str, program: str) -> None:
    lab.configure(side, "server", **{program: [str(lab.folder / side / program)]})


def _baseline(lab: Lab) -> object:
    return lab.run("staging", "status", expect=0).document["base"]


def test_no_single_signal_of_wsusutil_export_is_believed(small_lab: Lab) -> None:
    lab = small_lab
    lies = {
        "exit 0 and no package": "echo 'All updates are successfully exported.'; exit 0",
        "exit 0 and a package of zeros": 'head -c 5000 /dev/zero > "$2"; exit 0',
        "exit 1 and a good package": '"$REAL" "$@"; exit 1',
        "a package without a log": '"$REAL" "$@"; rm -f "$3"; exit 0',
        "an old package that lay there": 'cp "$FOLDER/old" "$2" 2>/dev/null; exit 0',
        "a link in the place of the package": (
            '"$REAL" "$@"; mv "$2" "$FOLDER/elsewhere"; ln -s "$FOLDER/elsewhere" "$2"; exit 0'
        ),
        "a folder in the place of the log": '"$REAL" "$@"; rm "$3"; mkdir "$3"; exit 0',
        "another server's package": (
            '"$REAL" "$@"; gzip -dc "$2" | sed \'s/ServerID="[0-9a-f]*/ServerID="00000000/\' '
            '| gzip > "$2.other"; mv "$2.other" "$2"; exit 0'
        ),
        "killed by a signal": "kill -9 $$",
        "no such program within": "exec /nowhere/at/all",
    }
    before = lab.snapshot("staging")
    for lie, script in lies.items():
        _replace(lab, "staging", "wsusutil", script)
        result = lab.export(expect=1)
        assert result.error["kind"] == "wsusutil", (lie, result.explain())
        assert lab.snapshot("staging") == before, lie
        assert not list((lab.folder / "media").glob("alpha-*/volume-*/header.json")), lie
    _restore(lab, "staging", "wsusutil")
    done = lab.export(expect=0)
    assert done.document["sequence"] == 1
    assert _baseline(lab) is None


def test_no_single_signal_of_wsusutil_import_is_believed(small_lab: Lab) -> None:
    lab = small_lab
    lab.export()
    before = lab.state("disconnected")
    folder = _replace(lab, "disconnected", "wsusutil", "exit 0")
    (folder / "german.xml").write_text(LOG_IN_GERMAN, encoding="utf-8")
    (folder / "leave_out.py").write_text(LEAVE_OUT, encoding="utf-8")
    undecided = _undecided(lab)
    lies = {
        "exit 0 and nothing done": "exit 0",
        "all imported but an update that nobody decided on": (
            f'\'{sys.executable}\' "$FOLDER/leave_out.py" "$2" "$2.part.gz" {undecided}\n'
            '"$REAL" import "$2.part.gz" "$3.part"; echo "<ImportLog/>" > "$3"; exit 0'
        ),
        "a log in German that names an error": '"$REAL" "$@"; cp "$FOLDER/german.xml" "$3"; exit 0',
        "exit 1 although it was done": '"$REAL" "$@"; exit 1',
        "exports over the package that it should import": ': > "$2"; exit 0',
        "a link in the place of the package": (
            '"$REAL" "$@"; mv "$2" "$FOLDER/elsewhere"; ln -s "$FOLDER/elsewhere" "$2"; exit 0'
        ),
        "a folder in the place of the package": '"$REAL" "$@"; rm "$2"; mkdir "$2"; exit 0',
    }
    for lie, script in lies.items():
        _replace(lab, "disconnected", "wsusutil", script)
        result = lab.import_(1, expect=1)
        assert result.error["kind"] == "wsusutil", (lie, result.explain())
        after = lab.state("disconnected")
        assert after["approvals"] == before["approvals"], lie
        assert after["declines"] == before["declines"], lie
        assert not list((lab.folder / "return").iterdir()), lie
    _restore(lab, "disconnected", "wsusutil")
    done = lab.import_(1)
    assert done.exit_code in {0, 2}
    assert done.document["approvals"]["applied"]


def test_a_powershell_that_does_not_do_its_work_ends_the_command(small_lab: Lab) -> None:
    last = "for last; do :; done; "
    scripts = (
        "exit 0",
        "echo hello; exit 3",
        last + 'echo \'{"kind":"server"}\' > "$last"; exit 0',
        last + 'printf \'not json\\n{"kind":"end"}\\n\' > "$last"; exit 0',
        last + 'printf \'{"kind":"server"}\\n{"kind":"end"}\\n\' > "$last"; exit 0',
        last + '"$REAL" "$@"; case "$*" in *read-approvals*) grep -v approval "$last" > "$last.x"; '
        'mv "$last.x" "$last";; esac; exit 0',
    )
    for script in scripts:
        _replace(small_lab, "staging", "powershell", script)
        result = small_lab.export(expect=1)
        assert result.error["kind"] == "script-failed", (script, result.explain())
        assert not list((small_lab.folder / "media").glob("alpha-*"))
    # Another server's id, at the first contact of all: nobody remembers it.
    script = last + '"$REAL" "$@"; sed -i \'s/"server_id": *"[0-9a-f]*/"server_id":"00000000/\' '
    _replace(small_lab, "staging", "powershell", script + '"$last"; exit 0')
    result = small_lab.export(expect=1)
    assert "it is of server" in result.error["message"], result.explain()
    _restore(small_lab, "staging", "powershell")
    small_lab.export(expect=0)


def test_content_that_goes_while_wsusutil_imports_is_named_and_parks_its_approvals(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.export()
    script = '"$REAL" "$@"; code=$?; rm -r "$FOLDER"/../WsusContent/??; exit $code'
    _replace(lab, "disconnected", "wsusutil", script)
    spoilt = lab.import_(1, expect=2)
    assert {each["reason"] for each in spoilt.document["missing"]} == {"rejected-by-wsus"}
    approvals = spoilt.document["approvals"]
    assert {each["reason"] for each in approvals["parked"]} == {"content-missing"}
    gone = {each["update_id"] for each in spoilt.document["missing"]}
    standing = lab.state("disconnected")["approvals"]
    assert not gone & {each["update_id"] for each in standing if each["action"] == "Install"}
    _restore(lab, "disconnected", "wsusutil")
    equal_servers(lab, apart_from=lab.import_(1))


def test_a_script_that_dies_in_the_middle_of_applying_is_finished_by_the_next_run(
    small_lab: Lab,
) -> None:
    lab = small_lab
    lab.export()
    # The true one does its work; then the answer loses its end, as when the connection breaks.
    script = (
        '"$REAL" "$@"; code=$?; for last; do :; done\n'
        'case "$*" in *apply-approvals*) head -n 2 "$last" > "$last.cut"; mv "$last.cut" "$last";;'
        " esac; exit $code"
    )
    _replace(lab, "disconnected", "powershell", script)
    broken = lab.import_(1, expect=1)
    assert broken.error["kind"] == "script-failed", broken.explain()
    # The report of the failed run names what stands there now.
    for kind in ("approvals", "declines"):
        made = set(map(decision, lab.state("disconnected")[kind]))
        assert made <= set(map(decision, broken.document["approvals"]["applied"]))
    _restore(lab, "disconnected", "powershell")
    done = lab.import_(1)
    assert done.exit_code in {0, 2}
    assert done.document["approvals"]["failed"] == []


# Makes the disconnected server a replica, or autonomous again.
SET_REPLICA = """
import sys
from pathlib import Path
from deploy import lab
lab.tune(Path(sys.argv[1]), "disconnected", "IsReplicaServer", sys.argv[2] == "true")
"""


def _decide_in_all_ways(lab: Lab) -> None:
    """Decide on staging whatever can be decided, each once."""
    with lab.server("staging") as server:
        rows = [row for row in update_search.search_updates(server, Scope()) if row.is_latest]
        current = [row for row in rows if row.publication != "Expired" and not row.superseded]
        plain = [row for row in current if row.state == "Ready" and not row.has_license]
        approved, blocked, removed, declined = [(row.update_id, row.revision) for row in plain[:4]]
        group_id = groups.create(server, "Brand new", None).id
        approval_actions.approve(
            server, approved, "Install", group_id, deadline="2044-02-29T23:59:58Z"
        )
        approval_actions.approve(server, blocked, "NotApproved", group_id)
        for approval in update_search.update_approvals(server, *removed):
            approval_actions.delete_approval(server, approval.id)
        approval_actions.decline(server, declined[0])
        back = next(row for row in current if row.declined)
        server.connection.execute("DELETE FROM decline WHERE update_id = ?", (back.update_id,))
        terms = next(row for row in current if row.license_required and not row.declined)
        approval_actions.accept_license(server, terms.update_id, terms.revision)
        approval_actions.approve(server, (terms.update_id, terms.revision), "Install", group_id)
    _wait_for_content(lab, terms.update_id)  # an approval without its content would be parked


def _wait_for_content(lab: Lab, update_id: str) -> None:
    """Wait until the content agent of staging has fetched the files of an approved update."""
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        with lab.server("staging") as server:
            rows = update_search.search_updates(server, Scope())
            if any(row.state == "Ready" for row in rows if row.update_id == update_id):
                return
        time.sleep(0.5)
    raise AssertionError(f"the files of {update_id} were not fetched")


def test_whatever_the_server_refuses_is_named_and_done_once_it_is_cured(small_lab: Lab) -> None:
    lab = small_lab
    lab.configure("disconnected", "policy", licence_terms="accept")
    lab.accept(lab.cross().document["receipt"], expect=0)
    _decide_in_all_ways(lab)
    lab.export()
    before = lab.state("disconnected")
    script = (
        f"export PYTHONPATH='{ROOT}'\n"
        f"replica() {{ '{sys.executable}' \"$FOLDER/set.py\" '{lab.folder}' $1; }}\n"
        'case "$*" in *apply-approvals*) ;; *) exec "$REAL" "$@";; esac\n'
        'for word; do case "$word" in *.in.jsonl) cp "$word" "$FOLDER/asked";; esac; done\n'
        'replica true; "$REAL" "$@"; code=$?; replica false; exit $code'
    )
    folder = _replace(lab, "disconnected", "powershell", script)
    (folder / "set.py").write_text(SET_REPLICA, encoding="utf-8")
    result = lab.import_(2, expect=2)
    asked = [json.loads(line) for line in (folder / "asked").read_text().splitlines()[1:]]
    kinds = {line["op"] for line in asked}
    assert kinds == {"group", "accept-license", "undecline", "approve", "remove", "decline"}
    approvals = result.document["approvals"]
    assert approvals["applied"] == []
    assert len(approvals["failed"]) == len(asked)
    assert all("replica" in line["reason"] for line in approvals["failed"])
    assert Path(result.document["receipt"]).is_file()
    after = lab.state("disconnected")
    assert (after["approvals"], after["declines"]) == (before["approvals"], before["declines"])
    _restore(lab, "disconnected", "powershell")
    done = lab.import_(2)
    assert done.document["approvals"]["failed"] == []
    equal_servers(lab, apart_from=done)


def test_a_wsusutil_that_still_runs_is_found_again_and_never_started_twice(small_lab: Lab) -> None:
    lab = small_lab
    script = 'echo start >> "$FOLDER/starts"; exec "$REAL" "$@"'
    folder = _replace(lab, "staging", "wsusutil", script)
    lab.fault("staging", "wsusutil-hang")
    with lab.start("staging", "export") as process:
        limit = time.monotonic() + 120
        while not (folder / "starts").exists():
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.1)
        process.kill()
        process.communicate()
    lab.fault("staging", "wsusutil-hang", on=False)
    done = lab.export(expect=0)
    assert done.document["sequence"] == 1
    assert (folder / "starts").read_text().splitlines() == ["start"]


def test_a_question_that_hangs_ends_at_its_limit_and_is_in_nobodys_way(small_lab: Lab) -> None:
    lab = small_lab
    folder = _replace(
        lab,
        "staging",
        "powershell",
        'case "$*" in *read-server*) echo $$ >"$FOLDER/pid"; exec sleep 600;; esac\n'
        'exec "$REAL" "$@"',
    )
    lab.configure("staging", "server", script_limit_minutes=0.02)
    before = lab.snapshot("staging")
    began = time.monotonic()
    result = lab.export(expect=1)
    assert time.monotonic() - began < 30
    assert result.error["kind"] == "time-limit"
    assert result.error["message"] == "script read-server did not end within 1.2 seconds"
    assert lab.snapshot("staging") == before
    hung = psutil.Process(int((folder / "pid").read_text()))
    assert hung.is_running(), "the script was killed"
    hung.kill()
    left = list(lab.work("staging").glob("runs/*"))
    assert left
    _restore(lab, "staging", "powershell")
    lab.configure("staging", "server", script_limit_minutes=30)
    assert lab.export(expect=0).document["sequence"] == 1
    assert not any(folder.exists() for folder in left), "the next run did not sweep"


def test_what_a_script_says_when_it_fails_steers_no_terminal_page_or_report(
    small_lab: Lab,
) -> None:
    lab = small_lab
    _replace(
        lab,
        "staging",
        "powershell",
        r"printf '\033]0;owned\007\033[2J\302\233red \342\200\256gpj\nnext: all is well\n' >&2"
        "\nexit 1",
    )
    result = lab.export(expect=1)
    assert result.error["kind"] == "script-failed"
    assert "[U+001B]]0;owned[U+0007]" in result.error["message"]
    report = Path(result.document["report"])
    shown = [result.error["message"], result.error["next_step"], *result.stderr.splitlines()]
    shown += report.read_text(encoding="utf-8").splitlines()
    shown += report.with_name("report.json").read_text(encoding="utf-8").splitlines()
    assert [line for line in shown if visible(line) != line] == []
