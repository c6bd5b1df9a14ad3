"""Rules for the words of the code, read from the source with ast; flows/README.md explains them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import module_of, sources, tree_of

HOUSE = ("flows", "tasks", "deploy")
# First words of docstrings that ask a question instead of naming the thing or the act.
QUESTION_WORDS = {"What", "Whether", "Where", "How", "Who", "Why"}
# Local names that name nothing; a local is named after what it holds.
EMPTY_NAMES = {
    *("place", "found", "each", "one", "said", "held", "kept", "known", "wanted", "named", "left"),
    "here",
}
# Words with one meaning, and the modules that may bind them.
OWNED_WORDS = {
    "held": (
        "tasks.approvals.",
        "tasks.importing.",
        "tasks.reports.",
        "tasks.run.",
        "tasks.ledger.",
    ),
    "kept": ("tasks.approvals.", "tasks.importing.", "tasks.reports."),
    "parked": (
        "tasks.approvals.",
        "tasks.importing.",
        "tasks.reports.",
        "tasks.run.",
        "tasks.ledger.",
    ),
    "intake": ("tasks.bundle.", "tasks.importing.", "tasks.run.folders", "tasks.content.place"),
    "draft": ("tasks.exporting.", "tasks.media", "tasks.staging", "flows.export_bundle"),
    "mark": ("tasks.server.mark", "tasks.run.folders"),
}


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Every docstring of a file, with the name of what it documents."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield f"{module_of(path)}.{getattr(node, 'name', '')}", text


def bound_names(path: Path) -> Iterator[tuple[str, int]]:
    """Every name that a file binds as a local, parameter, field or global, with its line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_docstrings_begin_with_an_imperative_or_a_noun_phrase() -> None:
    asking = [
        f"{name}: {text.splitlines()[0]}"
        for path in sources(*HOUSE)
        for name, text in docstrings(path)
        if text.split()[0].strip(",.:") in QUESTION_WORDS
    ]

    assert asking == []


def test_locals_are_named_after_what_they_hold() -> None:
    empty = [
        f"{module_of(path)}:{line} {name}"
        for path in sources(*HOUSE)
        for name, line in bound_names(path)
        if name in EMPTY_NAMES - OWNED_WORDS.keys()
    ]

    assert empty == []


def test_words_with_one_meaning_are_bound_only_where_they_have_it() -> None:
    strangers = [
        f"{module_of(path)}:{line} {name}"
        for path in sources("flows", "tasks")
        for name, line in bound_names(path)
        if name in OWNED_WORDS and not module_of(path).startswith(OWNED_WORDS[name])
    ]

    assert strangers == []
