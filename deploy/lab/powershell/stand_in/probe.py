"""The script that says what a server looks like in the places that the product relies on."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.rules import distribution_log, package_export, update_search
from deploy.lab.rules.scope import LATEST_APPROVED, Scope
from deploy.lab.store import revision_store

_TYPES = Path(__file__).parents[1] / "types"

_MOST_UPDATES = 20
_MOST_SHAPES = 5
_LOG_BYTES = 262_144
_NAME = re.compile(r"[0-9A-Fa-f]{40}(\.[A-Za-z0-9_-]{1,32})?")
_ENTRY = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\.\d+ UTC\t\S+\t\S+\t\S+\t")
_OTHER = re.compile(r"\d{1,4}[-./]\d")


def probe_server(run: Run) -> None:
    """Answer ``probe-server.ps1``."""
    asked = list(run.asked())
    run.begin()
    run.write(kind="engine", version="5.1.14393.0", culture="")
    for part in ("members", "content", "log", "updates"):
        if part not in run.settings["parts"]:
            continue
        if part == "members":
            _write_members(run, asked)
            continue
        try:
            _PARTS[part](run)
        except OSError as error:
            run.write(kind="unknown", topic=part, reason=type(error).__name__)
    run.end()


def _write_members(run: Run, asked: list[dict[str, Any]]) -> None:
    for row in asked:
        missing = [name for name in row["members"] if not _is_member(name)]
        run.write(kind="members", type=row["type"], missing=missing)


@cache
def _sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(_TYPES.glob("*.cs")))


def _is_member(name: str) -> bool:
    """True if the types of the engine have a member of that name."""
    return re.search(rf"\b{re.escape(name)}\b", _sources()) is not None


def _shape(text: str) -> str:
    return re.sub(r"\d", "9", re.sub(r"[A-Za-z]", "a", text[:60]))


def _write_content(run: Run) -> None:
    extensions: Counter[str] = Counter()
    odd: list[str] = []
    files, largest = 0, 0
    for path in run.server.content_dir.rglob("*"):
        if not path.is_file() or path.name == "anonymousCheckFile.txt":
            continue
        files += 1
        largest = max(largest, path.stat().st_size)
        if _NAME.fullmatch(path.name):
            extensions[path.suffix.lower()] += 1
        else:
            odd.append(_shape(path.name))
    run.write(
        kind="content",
        files=files,
        odd_names=len(odd),
        odd_shapes=odd[:_MOST_SHAPES],
        extensions=extensions,
        largest_bytes=largest,
    )


def _write_log(run: Run) -> None:
    content = (
        distribution_log.folder(run.server.server_folder) / distribution_log.NAME
    ).read_bytes()
    lines = content[-_LOG_BYTES:].decode("latin-1").split("\n")
    others = [line for line in lines if not _ENTRY.match(line) and _OTHER.match(line)]
    run.write(
        kind="log",
        size_bytes=len(content),
        entries=sum(1 for line in lines if _ENTRY.match(line)),
        other_entries=len(others),
        other_shapes=[_shape(line.strip()) for line in others[:_MOST_SHAPES]],
    )


def _write_updates(run: Run) -> None:
    scope = Scope(states=LATEST_APPROVED)
    for count, row in enumerate(update_search.search_updates(run.server, scope)):
        if count == _MOST_UPDATES:
            return
        stored = revision_store.get(run.server.connection, row.update_id, row.revision)
        text = "".join(package_export.document_parts(run.server.connection, stored))
        root = ElementTree.fromstring(text)  # noqa: S314  the lab's own document
        namespace, _, name = root.tag.removeprefix("{").rpartition("}")
        run.write(
            kind="update",
            size_bytes=len(text.encode()),
            root=name,
            namespace=namespace,
            children=[child.tag.rpartition("}")[2] for child in root],
            encoding=_encoding(text),
        )


def _encoding(text: str) -> str:
    declared = re.match(r"<\?xml[^>]*encoding=[\"']([\w-]+)", text)
    return declared[1].lower() if declared else ""


_PARTS = {"content": _write_content, "log": _write_log, "updates": _write_updates}
