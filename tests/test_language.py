"""Rules for the words of the code, read from the source with ast; flows/README.md explains them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.approvals.model import Approval, Decline
from tasks.bundle.header import Header
from tasks.bundle.manifest import Entry
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.bundle.receipt import Receipt
from tasks.bundle.unpack import Intake
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3, ContentDigest
from tasks.content.scan import ContentFile
from tasks.exporting.draft import Draft
from tasks.hosts.host import Host
from tasks.importing.incoming import IncomingBundle
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.steps import Attempt
from tasks.ledger.store import Ledger
from tasks.names import Side
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server.mark import Mark
from tasks.site.settings import Site
from tasks.step import Step
from tests.test_architecture import ROOT, module_of, sources, tree_of

README = (ROOT / "flows" / "README.md").read_text(encoding="utf-8")

HOUSE = ("flows", "tasks", "deploy")
# First words of docstrings that ask a question instead of naming the thing or the act.
QUESTION_WORDS = {"What", "Whether", "Where", "How", "Who", "Why"}
# Local names that name nothing; a local is named after what it holds.
EMPTY_NAMES = {
    *("place", "found", "each", "one", "said", "held", "kept", "known", "wanted", "named", "left"),
    "here",
}
# Words with one meaning, and the modules that may bind them or define something of that name.
OWNED_WORDS = {
    "held": (
        "tasks.approvals.",
        "tasks.importing.",
        "tasks.reports.",
        "tasks.run.",
        "tasks.ledger.",
    ),
    "parked": (
        "tasks.approvals.",
        "tasks.importing.",
        "tasks.reports.",
        "tasks.run.",
        "tasks.ledger.",
    ),
    "kept": ("tasks.approvals.", "tasks.importing.", "tasks.reports."),
    "intake": ("tasks.bundle.", "tasks.importing.", "tasks.run.folders", "tasks.content.place"),
    "draft": ("tasks.exporting.", "tasks.media", "tasks.staging", "flows.export_bundle"),
    "mark": ("tasks.server.mark", "tasks.run.folders"),
    "listing": (
        "tasks.content.",
        "tasks.server.",
        "tasks.run.",
        "tasks.exporting.",
        "tasks.importing.",
        "tasks.staging",
        "tasks.disconnected",
    ),
    "receipt": (
        "tasks.bundle.receipt",
        "tasks.exporting.",
        "tasks.importing.",
        "tasks.ledger.",
        "tasks.reports.",
        "tasks.run.",
        "tasks.staging",
        "flows.",
    ),
    "baseline": (
        "tasks.bundle.plan",
        "tasks.exporting.",
        "tasks.ledger.",
        "tasks.server.status",
        "tasks.site.settings",
        "tasks.upkeep.",
    ),
}
# Words that had several meanings, and have none any more.
GONE_WORDS = {"standing", "workplace"}
# Words of the glossary in flows/README.md, and the type that each is in the code.
TYPES_OF_WORDS = {
    "side": Side,
    "host": Host,
    "site": Site,
    "header": Header,
    "entry": Entry,
    "intake": Intake,
    "content file": ContentFile,
    "content digest": ContentDigest,
    "BLAKE3": Blake3,
    "receipt": Receipt,
    "approval": Approval,
    "decline": Decline,
    "revision": RevisionId,
    "listing": ContentListing,
    "manifest look-up": ManifestLookup,
    "draft": Draft,
    "incoming bundle": IncomingBundle,
    "trusted bundle": TrustedBundle,
    "mark": Mark,
    "run context": RunContext,
    "step": Step,
    "ledger": Ledger,
    "attempt": Attempt,
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


def defined_names(path: Path) -> Iterator[tuple[str, int]]:
    """Every class and function of a file, with its line."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno


def words_of(name: str) -> set[str]:
    """The words of a name, in lower case: of ``ManifestLookup`` or ``manifest_lookup`` two."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


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
        for name, line in (*bound_names(path), *defined_names(path))
        if (word := name.strip("_").lower()) in OWNED_WORDS
        and not module_of(path).startswith(OWNED_WORDS[word])
    ]

    assert strangers == []


def test_words_that_went_do_not_come_back() -> None:
    returned = [
        f"{module_of(path)}:{line} {name}"
        for path in sources(*HOUSE)
        for name, line in (*bound_names(path), *defined_names(path), (path.stem, 1))
        if GONE_WORDS & words_of(name)
    ]

    assert returned == []


def test_the_glossary_and_the_types_use_the_same_words() -> None:
    section = README.split("## Words\n", 1)[1].split("\n## ", 1)[0]
    words = {
        word
        for line in section.splitlines()
        if line.startswith("| ")
        for word in line.split(" | ")[0].removeprefix("| ").split(", ")
    }

    assert TYPES_OF_WORDS.keys() - words == set()
    for word, kind in TYPES_OF_WORDS.items():
        assert re.sub("[ -]", "", word).lower() in kind.__name__.lower(), word
