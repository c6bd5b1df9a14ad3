"""flows/README.md says what stops a run, how long a lost connection is mended, where to look."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from flows.command_line import app
from tasks import disconnected, errors, refusals
from tasks.approvals import model
from tasks.bundle import header, manifest
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.checks.rules.requirements import LEAST_ROOM_BYTES
from tasks.errors import AirGapError
from tasks.exporting.request import LIST_LIMIT_BYTES
from tasks.hosts.script_run import ScriptSetup
from tasks.hosts.ssh_login import KEEP_ALIVE_SECONDS
from tasks.hosts.ssh_transfer import WINDOW_BYTES
from tasks.hosts.waiting import Patience
from tasks.server import cleanup
from tasks.server.downloads import STILL_SECONDS
from tasks.server.queries import BATCH_SECONDS
from tasks.server.wsusutil_run import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from tasks.site.settings import CheckSection, PolicySection, ServerSection
from tests.test_architecture import ROOT, sources, tree_of

README = (ROOT / "flows" / "README.md").read_text(encoding="utf-8")
FLOWS = {
    "export": "export_bundle",
    "import": "import_bundle",
    "verify": "verify_bundle",
    "accept": "accept_receipt",
    "audit": "audit_content",
    "decide": "decide",
    "catalog-import": "catalog_import",
}
# What the first column may say besides the name of a step.
NOT_A_STEP = {"command line", "opening", "server", "media", "state", "no flow", "caught"}
REFUSING_CODES = {3, 4, 64}
MOST_FILES = 5
ERRORS: dict[str, type[AirGapError]] = {
    name: error
    for module in (errors, refusals)
    for name, error in vars(module).items()
    if isinstance(error, type)
    and issubclass(error, AirGapError)
    and error.exit_code in REFUSING_CODES
}

Site = tuple[str, int, str]
"""``kind``, exit code and module, as in ``("room", 4, "bundle/pack")``."""


@dataclass(frozen=True)
class Row:
    """One row of the table of refusals."""

    steps: tuple[str, ...]
    flows: tuple[str, ...]
    kind: str
    code: int
    modules: tuple[str, ...]

    @property
    def sites(self) -> set[Site]:
        return {(self.kind, self.code, module) for module in self.modules}


def section(heading: str) -> str:
    return README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def cells(table: str) -> Iterator[list[str]]:
    """The rows below the headings of tables."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if not (line.startswith("|---") or below.startswith("|---")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", text))


def refusal_rows() -> list[Row]:
    rows = []
    for steps, flows, kind, code, _, modules in cells(REFUSALS.split("\n### ", 1)[1]):
        named = tuple(FLOWS) if flows == "all" else tuple(flows.split(", "))
        rows.append(
            Row(tuple(steps.split(" · ")), named, quoted(kind)[0], int(code), quoted(modules))
        )
    return rows


REFUSALS = section("What stops an export, an import, …")
ROWS = refusal_rows()


def called_name(node: ast.expr | None) -> str:
    """Name of the function or class that an expression calls; empty when it calls none."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return getattr(function, "id", "") or getattr(function, "attr", "")


@cache
def factories() -> dict[str, set[str]]:
    """Functions that return refusals alone, by name, with the classes that they may return."""
    return {
        node.name: names
        for path in (*sources("tasks"), *sources("flows"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.returns is not None
        if (names := set(ast.unparse(node.returns).split(" | "))) and names <= ERRORS.keys()
    }


def refusing_sites() -> set[Site]:
    """Every module that builds or raises a refusal, read from the source."""
    sites = set()
    for path in (*sources("tasks"), *sources("flows")):
        module = str(path.relative_to(ROOT)).removeprefix("tasks/")
        module = module if path.is_relative_to(ROOT / "flows") else module.removesuffix(".py")
        for node in ast.walk(tree_of(path)):
            names = {called_name(node)} & ERRORS.keys() if isinstance(node, ast.Call) else set()
            if isinstance(node, ast.Raise):
                names |= factories().get(called_name(node.exc), set())
            sites |= {(ERRORS[name].kind, ERRORS[name].exit_code, module) for name in names}
    return sites


@cache
def step_names() -> dict[str, str]:
    """The name that a person sees of each step, by ``module.function``."""
    return {
        f"{path.stem}.{node.name}": str(decorator.args[0].value)
        for path in (ROOT / "tasks").glob("*.py")
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and called_name(decorator) == "step"
        if isinstance(decorator.args[0], ast.Constant)
    }


def steps_of(flow: str) -> set[str]:
    """Names of the steps that a flow calls."""
    tree = tree_of(ROOT / "flows" / f"{FLOWS[flow]}.py")
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return {step_names()[call] for call in calls & step_names().keys()}


def test_every_refusal_of_the_code_has_a_row_and_every_row_its_refusal() -> None:
    listed = {site for row in ROWS for site in row.sites}

    assert refusing_sites() - listed == set(), "raised in the code, and no row names it"
    assert listed - refusing_sites() == set(), "named in a row, and not raised there"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.steps[0]}-{row.kind}")
def test_a_step_of_a_row_is_a_step_of_its_flows(row: Row) -> None:
    steps = set(row.steps) - NOT_A_STEP
    if row.steps == ("no flow",):
        assert {flow.split()[0] for flow in row.flows} <= set(app) - FLOWS.keys()
        return
    known = {flow: steps_of(flow) for flow in row.flows}

    assert steps <= set().union(*known.values())
    if steps:
        assert [flow for flow, names in known.items() if not names & steps] == []


def test_a_row_of_an_export_stands_in_the_first_table_and_of_no_other() -> None:
    """Somebody who asks about an export reads one table from its beginning to its end."""
    tables = REFUSALS.split("\n### ")[1:]
    concerns = [{bool({"all", "export"} & set(row[1].split(", "))) for row in cells(table)}
                for table in tables]  # fmt: skip

    assert concerns == [{True}, {False}, {False}]


def test_limits_and_times_in_the_table_of_an_export_are_those_of_the_code() -> None:
    table = REFUSALS.split("\n### ")[1]
    told = {
        number.replace(",", "")
        for row in cells(table)
        for number in re.findall(r"(?<![\w.])\d[\d,]*", re.sub(r"`[^`]*`", "", row[4]))
    }
    policy = PolicySection.model_fields
    limits = (
        *(model.MOST_APPROVALS, model.MOST_DECLINES, model.MOST_GROUPS),
        *(header.MOST_VOLUMES, header.MOST_FILES, manifest.MOST_PARTS),
        *(manifest.MOST_FILES_IN_FOLDER, manifest.MOST_PARTS_IN_ALL),
        *(header.PACKAGE_LIMIT_BYTES / 2**30, HEADER_LIMIT_BYTES / 2**10),
        *(header.MANIFEST_LIMIT_BYTES / 2**20, header.LIST_LIMIT_BYTES / 2**20),
        *(header.APPROVALS_LIMIT_BYTES / 2**20, header.BRINGS_LIMIT_BYTES / 2**20),
        *(LEAST_ROOM_BYTES / 2**20, LIST_LIMIT_BYTES / 2**20, STILL_SECONDS / 60),
        policy["download_wait_hours"].default,
    )
    hours = ServerSection.model_fields["command_limit_hours"].default

    assert told == {f"{number:.0f}" for number in limits}
    assert f"for {hours:g} h\n(`server.command_limit_hours`)" in REFUSALS
    assert CheckSection.model_fields["stop_at"].default == "failure"
    assert policy["on_downloads"].default == "wait"


def test_every_flow_is_in_the_table() -> None:
    assert {flow for row in ROWS for flow in row.flows if set(row.steps) - NOT_A_STEP} == set(FLOWS)


# --- the connection -----------------------------------------------------------------------------


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def test_times_of_a_lost_connection_are_those_of_the_code() -> None:
    patience, retries = Patience(), disconnected.lock_server.retries
    pauses, delays = patience.retry_delays_seconds, disconnected.lock_server.retry_delay_seconds
    assert isinstance(delays, list)
    tries = len(pauses) + 1
    refused_seconds = sum(pauses) * (retries + 1) + sum(delays)
    vanishing_seconds = refused_seconds + tries * patience.connect_seconds * (retries + 1)
    silent_seconds = patience.most_stalls * patience.answer_seconds
    # The first try loses a live connection: a silence, then the other tries; each retry has all.
    one_try_seconds = tries * patience.connect_seconds + sum(pauses)
    cut_seconds = patience.answer_seconds - patience.connect_seconds
    cut_seconds += one_try_seconds * (retries + 1) + sum(delays)
    by_chance = [sum(pauses) * (retries + 1) * part + sum(delays) for part in (0.8, 1.2)]
    minutes = ServerSection.model_fields["script_limit_minutes"].default
    expected = {
        "SFTP request": (patience.answer_seconds, KEEP_ALIVE_SECONDS, WINDOW_BYTES / 2**20),
        "connection": (
            *(tries, *pauses, sum(pauses), patience.connect_seconds),
            *(patience.most_stalls, patience.steady_seconds),
        ),
        "script poll": (
            *(ScriptSetup().pace.longest_seconds, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
            *(minutes, BATCH_SECONDS / 3_600, cleanup._READ_SECONDS / 60),
        ),
        "Prefect retry": (retries, *delays, patience.most_stalls),
        "the next run": (),
    }
    text = section("When the connection drops")
    table = list(cells(text))
    below = text.rsplit("|\n", 1)[1]

    assert {row[0]: numbers(re.sub(r"`[^`]*`", "", " ".join(row[1:-1]))) for row in table} == {
        layer: {f"{number:g}" for number in values} for layer, values in expected.items()
    }
    assert numbers(below) == {
        *(f"{round(refused_seconds)}", f"{vanishing_seconds / 60:.1f}", f"{cut_seconds / 60:.1f}"),
        *(f"{round(seconds)}" for seconds in by_chance),
        f"{one_try_seconds / 60:.0f}",
        *(f"{silent_seconds / 60:g}", f"{errors.ConnectionLostError.exit_code}"),
    }


def test_what_prefect_retries_is_what_the_table_says() -> None:
    assert errors.ConnectionLostError.retryable
    assert not errors.ConnectionStalledError.retryable
    assert not errors.TimeLimitError.retryable
    assert [name for name, error in vars(errors).items() if getattr(error, "retryable", False)] == [
        "ConnectionLostError"
    ]


def test_modules_of_the_connection_are_there() -> None:
    for *_, modules in cells(section("When the connection drops")):
        for module in quoted(modules):
            assert (ROOT / "tasks" / f"{module}.py").is_file(), module


# --- the walks ----------------------------------------------------------------------------------


def walks() -> dict[str, list[str]]:
    """The files to open for each question: the first name of each line."""
    parts = re.split(
        r"^\*\*(.+?\?)\*\*", section("Six questions, and the files to open"), flags=re.M
    )
    return {
        question: re.findall(r"^\d\. `([^`]+)`", text, flags=re.MULTILINE)
        for question, text in zip(parts[1::2], parts[2::2], strict=True)
    }


WALKS = walks()


def test_six_questions_are_answered() -> None:
    assert len(WALKS) == 6


@pytest.mark.parametrize("question", WALKS)
def test_a_walk_opens_no_more_than_five_files_and_all_are_there(question: str) -> None:
    files = WALKS[question]

    assert 1 <= len(files) <= MOST_FILES
    assert len(set(files)) == len(files)
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_what_a_walk_names_in_a_file_is_defined_there() -> None:
    """A line like ``1. `file`: `name` is …`` breaks when the name moves away."""
    text = section("Six questions, and the files to open")
    lost = []
    for file, line in re.findall(r"^\d\. `([^`]+\.py)`[^:]*: `(\w+)`", text, flags=re.MULTILINE):
        defined = {
            node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else str(node.id)
            for node in ast.walk(tree_of(Path(ROOT / file)))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        }
        if line not in defined:
            lost.append(f"{file}: {line}")

    assert lost == []
