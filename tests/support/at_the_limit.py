"""Spend what a bundle at the limits of the format makes a reader spend, and say how much it was.

``python -m tests.support.at_the_limit approvals|manifest|receipt [share]``: in a process of its
own, so that its peak is the reader's alone. ``share`` is of each limit; 1 is the limit itself. One
line of JSON comes out: peak memory (MiB) before and after, seconds, what was counted.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.approvals.apply import keep_what_server_shows, next_applied, operations, read_outcomes
from tasks.approvals.columns import revision_set
from tasks.approvals.comparison import Situation, UpdateStates
from tasks.approvals.model import (
    MOST_APPROVALS,
    MOST_DECLINES,
    MOST_GROUPS,
    MOST_LICENSES,
    ApprovalSet,
    encode_line,
    read_bounded,
)
from tasks.approvals.plan import plan_approvals
from tasks.approvals.policy import ApprovalPolicy
from tasks.bundle.header import MOST_FILES
from tasks.bundle.keys import generate_keys, load_signing_key
from tasks.bundle.manifest import Entry, read_entries, write_manifest
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.bundle.media import Media
from tasks.bundle.receipt import (
    MOST_MISSING,
    MissingUpdate,
    Receipt,
    ReceiptCounts,
    read_receipt,
    seal_receipt,
)
from tasks.bundle.seal import Trust
from tasks.bundle.survey import survey_content
from tasks.content.names import Blake3, ContentDigest
from tasks.hosts.local import LocalHost

NOW = datetime(2031, 5, 1, tzinfo=UTC)


def peak_mib() -> int:
    """The most memory that this process has had (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) // 1024


def _update(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def _write_approvals(path: Path, share: float) -> None:
    """Every update another, revisions and deadlines too: nothing that could be shared."""
    groups = int(MOST_GROUPS * share)
    with path.open("wb") as stream:
        for number in range(groups):
            stream.write(encode_line({"kind": "group", "path": ["All Computers", f"{number}"]}))
        for number in range(int(MOST_APPROVALS * share)):
            deadline = NOW + timedelta(days=99, seconds=number)
            line = {"kind": "approval", "update_id": _update(number), "revision": 1_000 + number}
            line |= {"group": ["All Computers", f"{number % groups}"], "action": "Install"}
            stream.write(encode_line(line | {"deadline": deadline.isoformat(), "optional": False}))
        for kind, first, count in (
            ("decline", MOST_APPROVALS, MOST_DECLINES),
            ("license", 0, MOST_LICENSES),
        ):
            for number in range(first, first + int(count * share)):
                revision = {"update_id": _update(number), "revision": 1_000 + number}
                stream.write(encode_line({"kind": kind, **revision}))


def _read(path: Path) -> ApprovalSet:
    with path.open("rb") as stream:
        return ApprovalSet.from_lines(read_bounded(stream))


def approvals(folder: Path, share: float) -> dict[str, int]:
    """Three sides at the limit, of which the bundle changes everything; each supersedes one."""
    path = folder / "approvals.jsonl"
    _write_approvals(path, share)
    incoming = _read(path)

    def other() -> ApprovalSet:
        changed = (replace(each, deadline=None) for each in incoming.approvals)
        return ApprovalSet.collect(groups=incoming.groups, approvals=changed)

    newest = _update(int((MOST_APPROVALS + MOST_DECLINES) * share))
    states = UpdateStates(
        on_server=revision_set(incoming.revisions()),
        superseded_by=lambda update_id: {min(_update(int(update_id[:8], 16) + 1), newest)},
    )
    last, present = other(), other()
    plan = plan_approvals(Situation(last, incoming, present, states), ApprovalPolicy(), now=NOW)
    del present, states  # as the import lets them go
    done = {"kind": "outcome", "result": "done"}
    lines = (done | {"n": line.get("n", 0)} for line in operations(plan))
    outcome = keep_what_server_shows(read_outcomes(plan, lines), _read(path))
    after = next_applied(last, incoming, plan, outcome)
    return {"actions": len(plan.actions), "applied": len(after.approvals) + len(after.declines)}


def manifest(folder: Path, share: float) -> dict[str, int]:
    """A manifest of the most files, read, kept by digest and walked along with empty media."""
    blake3 = Blake3(bytes(32))
    count = int(MOST_FILES * share)

    def entries() -> Iterator[Entry]:
        for number in range(count):
            place, row = number * 256 // count, number.to_bytes(19, "big")
            sha1 = ContentDigest(row + bytes([place]))
            yield Entry(sha1=sha1, extension="cab", size_bytes=1, blake3=blake3, volume=None)

    path = folder / "manifest.jsonl"
    write_manifest(path, entries())
    holdings = ManifestLookup(path)
    holdings.carried()
    holdings.close()
    surveys = survey_content(Media(LocalHost()), {}, read_entries(path))
    return {"files": sum(len(survey.entries) for survey in surveys)}


def receipt(folder: Path, share: float) -> dict[str, int]:
    """A receipt that lists as much as one may; it is made by another process."""
    keys = generate_keys(folder / "keys")
    key = load_signing_key(keys.signing_key)
    count = int(MOST_MISSING * share)
    counts = dict.fromkeys(ReceiptCounts.model_fields, 0)
    content = seal_receipt(
        Receipt(
            site="alpha",
            chain="0" * 32,
            sequence=1,
            header_digest=Blake3(bytes(32)),
            outcome="partial",
            counts=ReceiptCounts(**counts),
            missing_content=tuple(
                ContentDigest(number.to_bytes(20, "big")) for number in range(count)
            ),
            missing_updates=tuple(
                MissingUpdate(update_id=_update(number), revision=number) for number in range(count)
            ),
        ),
        [key],
    )
    found = read_receipt(content, path="receipt", trust=Trust((key.public,))).receipt
    return {"content": len(found.missing_content), "updates": len(found.missing_updates)}


def main() -> None:
    """Run one part and print what it took."""
    part = {"approvals": approvals, "manifest": manifest, "receipt": receipt}[sys.argv[1]]
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    before, begun = peak_mib(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counted = part(Path(folder), share)
    took = {"before_mib": before, "peak_mib": peak_mib(), "seconds": time.monotonic() - begun}
    print(json.dumps(took | counted))


if __name__ == "__main__":
    main()
