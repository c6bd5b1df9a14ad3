"""The house rules that no linter knows, read from the source with ast."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tasks import names

ROOT = Path(__file__).resolve().parents[1]

# Each package may import those below it, never one beside or above.
LAYERS = [
    {"scripts"},
    {"hosts"},
    {"content"},
    {"approvals", "metadata", "bundle"},
    {"checks"},
    {"site"},
    {"ledger"},
    {"custody"},
    {"reports"},
    {"run"},
    {"server", "inspection"},
    {"announcements", "exporting", "importing", "probing", "repairs", "upkeep"},
]
# The only modules of tasks that every layer may import.
GROUND = {
    "tasks.errors",
    "tasks.logs",
    "tasks.names",
    "tasks.progress",
    "tasks.quantities",
    "tasks.refusals",
    "tasks.revision",
    "tasks.version",
    "tasks.visible",
}
PREFECT_MODULES = {
    "tasks.staging",
    "tasks.media",
    "tasks.disconnected",
    "tasks.examination",
    "tasks.flow_run",
    "tasks.lost_runs",
    "tasks.page_question",
    "tasks.plan_gate",
    "tasks.prefect_api",
    "tasks.run_page",
    "tasks.step",
    "tasks.tidying",
    "tasks.turn",
    "tasks.volume_gate",
}
TOP_LEVEL = {"pyproject.toml", "flows", "tasks", "tests", "deploy", "README.md", "LICENSE"}
# What grows beyond these is to be split, not argued about.
FILE_LINES = 400
FUNCTION_LINES = 40
# The exception: one field of an answer after the other.
LONG_FUNCTIONS = {"deploy.lab.powershell.stand_in.read_scripts._write_server": 50}

# Functions of ours that a test replaces or wraps; whatever else it needs goes through an interface.
REPLACED = {
    "tasks.hosts.local_durable._libc": "a system that lacks these calls",
    "tasks.hosts.local_durable._sync_volume": "a volume that fails as a whole",
    "tasks.hosts.ssh_connection.connect": "only looked on: how many connections are made",
    "tasks.hosts.ssh_connection.SshConnection.give_sftp": "slow, as a thread that must wait",
    "tasks.hosts.ssh_sftp.SftpChannel.read_limits": "looked on; or a server that names no limits",
    "tasks.hosts.ssh_sftp.SftpChannel.limits": "a server that names others than it keeps",
    "tasks.site.reading._registered_sites": "a process in which no site is registered yet",
}


def tracked() -> list[Path]:
    """Files that git knows, or will."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def sources(*folders: str) -> list[Path]:
    """Python files below some folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(path: Path) -> Iterator[str]:
    """Every module or name that a file imports, dotted, wherever in it the import stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path, modules: Collection[str]) -> set[str]:
    """The modules of ours that a file imports, wherever in it the import stands."""
    return {
        name if name in modules else name.rpartition(".")[0] for name in imports_of(path)
    } & set(modules)


def named_paths(text: str) -> Iterator[str]:
    """Every path below our folders, and the path of every ``-m`` module, in a text."""
    for path in re.findall(r"(?<![\w./<-])(?:flows|tasks|deploy|tests)/[\w./*-]*", text):
        yield path.rstrip("./")
    for module in re.findall(r"-m ((?:flows|tasks|deploy|tests)\.[\w.]+)", text):
        yield module.rstrip(".").replace(".", "/") + ".py"


def offences(paths: list[Path], *forbidden: str) -> list[str]:
    """Imports of something forbidden, as ``module -> import``."""
    return [
        f"{module_of(path)} -> {name}"
        for path in paths
        for name in imports_of(path)
        if any(f"{name}.".startswith(f"{prefix}.") for prefix in forbidden)
    ]


def package_of(name: str) -> str | None:
    """The package of tasks that a dotted name lies in, if it does."""
    parts = name.split(".")
    is_package = len(parts) > 1 and parts[0] == "tasks" and (ROOT / "tasks" / parts[1]).is_dir()
    return parts[1] if is_package else None


def test_prefect_is_known_only_to_flows_and_the_modules_that_wrap_steps() -> None:
    paths = [path for path in sources("tasks") if module_of(path) not in PREFECT_MODULES]

    assert offences(paths, "prefect") == []


def test_only_the_ssh_host_speaks_ssh() -> None:
    hosts = ROOT / "tasks" / "hosts"
    speakers = set(hosts.glob("ssh*.py"))

    assert offences([p for p in sources("flows", "tasks") if p not in speakers], "paramiko") == []


def test_packages_import_only_packages_below_them() -> None:
    rank = {name: level for level, names in enumerate(LAYERS) for name in names}
    packages = {path.name for path in (ROOT / "tasks").iterdir() if (path / "__init__.py").exists()}
    upward = [
        f"{module_of(path)} -> {name}"
        for path in sources("tasks")
        if (own := package_of(module_of(path)))
        for name in imports_of(path)
        if (other := package_of(name)) and other != own and rank[other] >= rank[own]
    ]

    assert packages <= set(rank), "a new package needs its place in LAYERS"
    assert upward == []


def test_packages_know_no_module_of_tasks_but_those_that_all_stand_on() -> None:
    modules = {module_of(path) for path in (ROOT / "tasks").glob("*.py")} - GROUND - {"tasks"}
    paths = [path for path in sources("tasks") if package_of(module_of(path))]

    assert offences(paths, *modules) == []


def test_what_the_ground_defines_is_defined_nowhere_else() -> None:
    shared = {name for name in vars(names) if not name.startswith("_")}
    twice = [
        f"{module_of(path)}: {name}"
        for path in sources("flows", "tasks")
        if module_of(path) != names.__name__
        for name in bound_names(tree_of(path)) & shared
    ]
    spelt_out = [
        module_of(path)
        for path in sources("flows", "tasks")
        if names.UTC_SECOND in path.read_text(encoding="utf-8")
    ]

    assert twice == []
    assert spelt_out == [names.__name__]


def test_tasks_never_import_flows() -> None:
    assert offences(sources("tasks"), "flows") == []


def test_lab_and_product_know_each_other_only_through_real_interfaces() -> None:
    assert offences(sources("deploy/lab"), "tasks", "flows", "prefect") == []
    assert offences(sources("flows", "tasks"), "deploy.lab") == []
    assert offences(sources("tasks"), "deploy") == []


def test_no_module_in_the_house_imports_in_a_circle() -> None:
    paths = {module_of(path): path for path in sources("flows", "tasks", "deploy")}
    imports = {name: own_imports(path, paths.keys()) - {name} for name, path in paths.items()}

    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


def test_the_launcher_needs_nothing_but_the_standard_library() -> None:
    for name in ("run.py", "lock.py"):
        used = {module.split(".")[0] for module in imports_of(ROOT / "deploy" / name)}
        assert used <= sys.stdlib_module_names, name


def test_the_top_level_holds_what_it_is_meant_to_hold() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}

    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_every_path_and_module_that_a_document_names_exists() -> None:
    documents = [path for path in tracked() if path.suffix == ".md"]
    documents.remove(ROOT / "deploy" / "CHANGELOG.md")  # which names paths of older versions
    missing = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in documents
        for name in named_paths(document.read_text(encoding="utf-8"))
        if not any(ROOT.glob(name))
    ]

    assert missing == []


def test_only_ci_knows_what_lies_beside_the_checkout() -> None:
    beside = "../" + "shared"
    knowing = [
        path.relative_to(ROOT).as_posix()
        for path in tracked()
        if beside in path.read_text(encoding="utf-8", errors="replace")
    ]

    assert knowing == [".ci/run"]


@pytest.mark.parametrize("folder", ["flows", "tasks", "deploy"])
def test_files_and_functions_fit_a_reader(folder: str) -> None:
    long_files = [
        f"{module_of(path)}: {lines} lines"
        for path in sources(folder)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    ]
    long_functions = [
        f"{name}: {lines} lines"
        for path in sources(folder)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := body_lines(node))
        > LONG_FUNCTIONS.get(name := f"{module_of(path)}.{node.name}", FUNCTION_LINES)
    ]

    assert long_files == []
    assert long_functions == []


def test_functions_that_use_two_things_of_a_run_or_fewer_take_those() -> None:
    sparing = [
        f"{module_of(path)}.{function.name}: {', '.join(sorted(used))}"
        for path in sources("tasks")
        if package_of(module_of(path)) != "run"
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for name in run_arguments(function)
        if (used := used_attributes(function, name)) is not None and len(used) <= 2
    ]

    assert sparing == []


def run_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of the arguments that are a whole run context."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return [
        argument.arg
        for argument in arguments
        if argument.annotation is not None and ast.unparse(argument.annotation) == "RunContext"
    ]


def used_attributes(
    function: ast.FunctionDef | ast.AsyncFunctionDef, argument: str
) -> set[str] | None:
    """Attributes of an argument that a function uses; None if it passes the argument on whole."""
    nodes = list(ast.walk(function))
    uses = {node for node in nodes if isinstance(node, ast.Name) and node.id == argument}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and node.value in uses]
    return {node.attr for node in attributes} if len(attributes) == len(uses) else None


def bound_names(tree: ast.Module) -> set[str]:
    """Names that a module's own top-level statements define, imports apart."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return classes | assigned


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function below its signature and docstring: a documented one is not longer."""
    first = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - first[0].lineno + 1 if first else 0


def test_tests_replace_no_function_of_ours_but_those_that_are_named_here() -> None:
    replaced = {name for path in sources("tests") for name in replaced_by(path)}
    # A wait, a size or a folder that has a name is set, as the clock is.
    functions = {name for name in replaced if not name.rpartition(".")[2].isupper()}
    mocking = [
        module_of(path)
        for path in sources("tests")
        if any(name.startswith("unittest.mock") for name in imports_of(path))
    ]

    assert functions == set(REPLACED)
    assert mocking == []


def replaced_by(path: Path) -> Iterator[str]:
    """Dotted names of what a test replaces in tasks, flows or deploy: set, or assigned."""
    bound = {
        alias.asname or alias.name.partition(".")[0]: dotted
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        for dotted in [
            f"{node.module}.{alias.name}"
            if isinstance(node, ast.ImportFrom)
            else (alias.name if alias.asname else alias.name.partition(".")[0])
        ]
    }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("monkeypatch.setattr"):
            name = _target_of(node.args)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = ast.unparse(node)
        else:
            continue
        root, dot, rest = name.partition(".")
        dotted = f"{bound.get(root, root)}{dot}{rest}"
        if dotted.partition(".")[0] in {"tasks", "flows", "deploy"}:
            yield dotted


def _target_of(arguments: list[ast.expr]) -> str:
    """What ``setattr`` sets, dotted: an object and a name, or one text."""
    names = [
        argument.value if isinstance(argument, ast.Constant) else ast.unparse(argument)
        for argument in arguments[:-1]
    ]
    return ".".join(map(str, names))
