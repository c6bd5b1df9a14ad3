"""What a mirror may take away: only what nobody needs, and never more than the site allows."""

from __future__ import annotations

import pytest

from tasks.content.deletion import DeleteLimits, DeletePlan, plan_deletes
from tasks.content.names import ContentDigest, ContentName
from tasks.content.scan import ContentFile
from tasks.hosts.paths import HostPath, Platform

LIMITS = DeleteLimits(files=50, share=0.5, size_bytes=7 * 40)


def file(number: int) -> ContentFile:
    name = ContentName(ContentDigest(number.to_bytes(20)), "cab")
    return ContentFile(name, HostPath(f"/content/{name.text}", Platform.POSIX), 7, 0, "")


def plan(count: int, *, present: int, needed: int = 0) -> DeletePlan:
    kept = {file(number).name.digest for number in range(needed)}
    return plan_deletes(
        [file(number) for number in range(count)],
        is_needed=lambda digest: digest in kept,
        present=present,
    )


def test_a_file_that_an_update_here_still_needs_is_kept_and_counted() -> None:
    made = plan(5, present=100, needed=2)
    assert [each.name.digest for each in made.files] == [file(n).name.digest for n in (2, 3, 4)]
    assert (made.still_needed, made.size_bytes) == (2, 21)


@pytest.mark.parametrize(
    ("count", "present", "broken"),
    [(51, 1_000, "policy.max_deletes is 50"), (40, 1_000, None), (9, 9, None),
     (10, 19, "policy.max_delete_share is 0.5"), (10, 20, None),
     (41, 1_000, "287 bytes would be deleted, policy.max_delete_bytes is 280")],
)  # fmt: skip
def test_a_plan_above_a_limit_says_which(count: int, present: int, broken: str | None) -> None:
    said = plan(count, present=present).exceeds(LIMITS)
    assert said is None if broken is None else broken in str(said)


def test_the_digest_is_of_the_names_that_would_go() -> None:
    assert plan(3, present=9).digest == plan(3, present=99).digest
    assert plan(3, present=9).digest != plan(4, present=9).digest
    assert plan(3, present=9, needed=1).digest != plan(3, present=9).digest
