"""Whatever a server's scripts answer: it is understood, or it is an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.plan import plan_approvals
from tasks.approvals.policy import ApprovalPolicy
from tasks.errors import AirGapError
from tasks.hosts.host import Json
from tasks.hosts.paths import HostPath
from tasks.hosts.script_run import ScriptFiles, read_answer
from tasks.importing import approval_run
from tasks.ledger.work_id import WorkId
from tasks.reports.model import ApprovalOutcome, CommandReport, approval_lines
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.scripts import Script
from tasks.server import check, queries
from tests.approvals.building import (
    CLIENTS,
    NOW,
    RING,
    approval,
    decisions,
    decline,
    u,
)
from tests.metadata.facts import LINE
from tests.support.memory_host import MemoryHost
from tests.support.runs import open_test_run, write_site_file

Lines = list[Any]
INCOMING = decisions(approval(1, RING), approval(2, CLIENTS, optional=True), decline(3))
PRESENT = decisions(approval(4), decline(5))
PLAN = plan_approvals(
    Situation(PRESENT, INCOMING, PRESENT, UpdateStates(on_server=set(INCOMING.revisions()))),
    ApprovalPolicy(),
    now=NOW,
)
CONTENT_DIR = "/srv/WsusContent"
REVISION = {"update_id": u(4), "revision": 100, "latest_revision": 100, "found": True}
STANDING = {
    "state": "Ready",
    "license_required": True,
    "license_accepted": True,
    "superseded": False,
    "expired": False,
    "latest": True,
}
ANSWERS: dict[str, Lines] = {
    "read-server": [{**LINE, "content_dir": CONTENT_DIR}],
    "read-approvals": [
        *PRESENT.lines(),
        {"kind": "update", "update_id": u(4), "revision": 100, "title": "x", **STANDING},
    ],
    "read-updates": [{"kind": "update", **REVISION}],
    "apply-approvals": [
        {"kind": "outcome", "n": n, "result": "failed", "error_type": "X", "error": "refused"}
        for n in range(1, 4)
    ],
    "control-service": [{"kind": "service", "status": "Running"}],
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 2**31, 2**63, 2**64, 10**400]),
    st.floats(),
    st.text(st.characters(), max_size=8),  # halves of surrogate pairs too
    st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "²", "\udcff"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=5), inner)),
    max_leaves=6,
)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Lines]:
    """The answers of a healthy server, of which one script says something else."""
    name = draw(st.sampled_from(sorted(ANSWERS)))
    lines: Lines = list(ANSWERS[name])
    for _ in range(draw(st.integers(1, 3))):
        run = draw(st.integers(0, len(lines)))
        if run == len(lines) or draw(st.integers(0, 5)) == 0:
            lines.insert(run, draw(st.one_of(VALUES, st.sampled_from(ANSWERS[name]))))
        elif isinstance(lines[run], dict) and lines[run]:
            key = draw(st.sampled_from(sorted(lines[run])))
            lines[run] = {**lines[run], key: draw(VALUES)}
        else:
            del lines[run]
    return {**ANSWERS, name: lines}


class Foreign:
    """A server that answers what it is told to, through the reader of real answers."""

    def __init__(self) -> None:
        self.says = ANSWERS
        self.host = MemoryHost(run_script=self._answer)
        for folder in ("/srv", CONTENT_DIR):
            self.host.make_folder(self.host.path(folder))

    def _answer(self, script: Script, _request: list[Json], folder: HostPath) -> Iterable[Json]:
        files = ScriptFiles.of(script, folder)
        lines = [*self.says[script.name], {"kind": "end"}]
        self.host.write(files.answer, [json.dumps(line).encode() + b"\n" for line in lines])
        return read_answer(self.host, script, files, "")


@pytest.fixture(scope="module")
def foreign() -> Foreign:
    return Foreign()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, foreign: Foreign) -> Iterator[RunContext]:
    site = write_site_file(tmp_path_factory.mktemp("site"), side="disconnected")
    with open_test_run(site) as opened:
        opened.server = foreign.host
        yield opened


def _check(run: RunContext) -> object:
    facts = check.check_requirements(run)
    return facts.model_dump_json()


def _apply(run: RunContext) -> object:
    outcome = approval_run.apply_plan(run, PLAN, work=WORK, incoming=INCOMING)
    run.server.remove_tree(run.folders.work_folder(WORK.text))
    failed = approval_lines(each.as_json() for each in outcome.failed)
    report = CommandReport(command="import", site="alpha", approvals=ApprovalOutcome(failed=failed))
    return json.dumps(report.as_json(), ensure_ascii=False).encode()


WORK = WorkId("audit", 1)

STEPS: list[Callable[[RunContext], object]] = [
    _check,
    _apply,
    lambda run: b"".join(queries.read_approvals(run).approval_set.encoded()),
    lambda run: queries.read_revisions(run, [RevisionId(u(4), 100)]),
    lambda run: approval_run.last_applied(run.imports).digest(),
]


HALF = "half of a pair: \ud83d"


@given(says=answers())
@example(says={**ANSWERS, "apply-approvals": [{**ANSWERS["apply-approvals"][0], "error": HALF}]})
@example(says={**ANSWERS, "read-approvals": [{"kind": "group", "path": ["All Computers", HALF]}]})
@example(says={**ANSWERS, "read-updates": [{**ANSWERS["read-updates"][0], "revision": 1e999}]})
def test_an_answer_is_understood_or_an_error_of_ours(
    run: RunContext, foreign: Foreign, says: dict[str, Lines]
) -> None:
    foreign.says = says
    for step in STEPS:
        with suppress(AirGapError):
            step(run)


def test_the_healthy_server_of_these_tests_is_understood(run: RunContext, foreign: Foreign) -> None:
    foreign.says = ANSWERS
    assert all(step(run) for step in STEPS)
