"""Each rule is shown by a knob or fault of the lab, or there is a reason for which none can.

All of them are turned, each alone and on either side, and every rule is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import lab
from deploy.lab import fault_table
from deploy.lab.pair import LabError
from tasks.bundle.header import StagingFacts
from tasks.checks.facts.gathered import Facts
from tasks.checks.judgement import judge
from tasks.checks.rules import ALL
from tasks.checks.rules.rule import Rule
from tasks.names import Side
from tests.checks.lab_facts import copy_of, facts_of

# What no server shows, and the test that shows it instead.
NO_KNOB = {
    "machine.language_mode": "its knob lets no script run: tests/e2e/test_check.py",
    "machine.work_volume": "server.work_dir of the site file: tests/checks/test_rules_machine.py",
    "requirements.content_folder": "our own look at the folder: tests/server/test_check.py",
    "requirements.staging_changed": "a bundle against our ledger: tests/e2e/test_mishaps.py",
    "own.scripts": "server.scripts_dir of the site file: tests/checks/test_rules_own.py",
    "own.own_key": "trust.trusted_keys of the site file: tests/checks/test_rules_own.py",
    "own.mark_agrees": "our ledger against our mark: tests/checks/test_rules_own.py",
    "own.bundle_age": "our ledger: tests/checks/test_rules_own.py",
    "own.beliefs": "our ledger, after a probe: tests/e2e/test_probe.py",
    "own.medium": "media.path of this machine: tests/checks/test_rules_own.py",
    "own.medium_room": "media.path of this machine: tests/checks/test_rules_own.py",
    "own.no_medium": "media.path of this machine: tests/checks/test_rules_own.py",
    "own.wsusutil_there": "server.wsusutil of the site file: tests/checks/test_rules_own.py",
    "own.wsusutil_answers": "the program is started: tests/e2e/test_check.py",
    "own.wsusutil": "a wsusutil that somebody started: tests/checks/test_rules_own.py",
}
# They change files that are not there, or what is seen through SSH alone.
_SSH = {"host-key", "connection-drops"}


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy") / "lab"
    lab.create(folder, updates=20, content_bytes=20_000)
    return folder


def test_every_rule_is_shown_by_the_lab_or_says_why_not(healthy: Path, tmp_path: Path) -> None:
    shown = {
        _name(rule)
        for known_facts in _all_faults(healthy, tmp_path)
        for rule in ALL
        if known_facts.side in rule.sides and judge(known_facts, [rule]).findings
    }
    assert shown.isdisjoint(NO_KNOB), "it has a knob now"
    assert shown | NO_KNOB.keys() == {_name(rule) for rule in ALL}


def _name(rule: Rule) -> str:
    return f"{rule.judge.__module__.rpartition('.')[2]}.{rule.judge.__name__}"


def _all_faults(healthy: Path, work: Path) -> Iterator[Facts]:
    """The facts of a server of either side with one fault each."""
    names = sorted(fault_table.descriptions().keys() - _SSH - {"language-mode"})
    for side in Side:
        own = _remembered(facts_of(copy_of(healthy, work / side.value), side))
        for name in [[name] for name in names] + [["content-from-microsoft", "downloads-failed"]]:
            folder = copy_of(healthy, work / f"{side.value}-{'-'.join(name)}")
            try:
                for fault in name:
                    lab.set_fault(folder, side.value, fault, on=True)
            except LabError:
                continue  # nothing is approved there that it could befall
            yield _with(facts_of(folder, side), own)


def _remembered(healthy: Facts) -> dict[str, object]:
    """What our ledger remembers of both servers, which are alike."""
    server = healthy.server
    assert server is not None
    settings = server.model_dump(include=set(StagingFacts.model_fields) - {"id"})
    return {
        "known_server_id": server.server_id,
        "staging": StagingFacts(id="the other one", **settings),
    }


def _with(known_facts: Facts, own: dict[str, object]) -> Facts:
    return known_facts.model_copy(update={"own": known_facts.own.model_copy(update=own)})
