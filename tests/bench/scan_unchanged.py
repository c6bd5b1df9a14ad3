"""Scan an unchanged WsusContent and decide that its bundle still answers, against rsync's no-op.

Measured are the steps "Scan content" and "Open draft" of a new run, which must find the sealed
bundle. rsync compares WsusContent with a copy of it. At the end a file whose time changed must
lead to another bundle.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.exporting.draft import Draft, open_draft
from tasks.exporting.request import NO_REQUEST
from tasks.server.content_scan import scan_content
from tasks.server.snapshot import ServerSnapshot
from tests.approvals.building import GROUPS, decisions
from tests.bench.frame import Case, Goal, Options, Result, compare, main, require
from tests.bench.trees import files_below, need, run, write_small_files
from tests.exporting.staging_side import StagingSide
from tests.metadata.facts import server_facts
from tests.support.runs import open_test_run, write_site_file

_FILES = 100_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the two steps."""
    files = options.files(_FILES)
    site = write_site_file(options.folder, side="staging")
    content, mirror = options.folder / "WsusContent", options.folder / "mirror"
    with open_test_run(site) as first:
        side = StagingSide(first, content)
        write_small_files(content, files)
        side.seal()
    run(need("rsync"), "-a", f"{content}/", f"{mirror}/")
    goal = Goal("scan_unchanged", f"{files} files", "rsync -a (no-op)", 0.7)
    yield compare(
        goal,
        Case("scan", lambda: require(_scan(site, content).is_sealed, "another bundle was begun")),
        Case("rsync", lambda: run(need("rsync"), "-a", f"{content}/", f"{mirror}/")),
        options,
    )
    os.utime(files_below(content)[files // 2])
    require(not _scan(site, content).is_sealed, "a changed file was not noticed")


def _scan(site: Path, content: Path) -> Draft:
    facts = server_facts(content_dir=str(content))
    decided = ServerDecisions(decisions(groups=GROUPS), {})
    with open_test_run(site) as opened:
        opened.make_folders()
        listing = scan_content(opened, facts)
        return open_draft(opened, ServerSnapshot(facts, decided, listing), NO_REQUEST)


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
