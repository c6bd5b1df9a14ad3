"""Three crossings with edits on both sides, compared with a model of the policy written here.

The model shares nothing with the planner: it decides update by update, in the words of the README,
and remembers by itself what was applied last.
``WSUS_AIRGAP_MODEL_UPDATES=2000 WSUS_AIRGAP_MODEL_EDITS=300`` runs it in full size.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.approvals.model import (
    ALL_COMPUTERS,
    UNASSIGNED_COMPUTERS,
    Action,
    Approval,
    ApprovalSet,
    Decline,
    GroupPath,
)
from tasks.importing.confirmation import covers
from tasks.importing.deciding import Given, decide, read_request
from tasks.importing.import_plan import plan_import, require_confirmed
from tasks.refusals import PlanUnconfirmedError
from tasks.run.report import ReportDraft
from tests.approvals.building import CLIENTS, RING, SERVERS, decisions
from tests.importing.disconnected_side import DisconnectedSide, PackageWorkshop
from tests.metadata.writing import File, Update, guid
from tests.support.bundles import NOW
from tests.support.runs import open_test_run, write_site_file

UPDATES = int(os.environ.get("WSUS_AIRGAP_MODEL_UPDATES", "200"))
EDITS = int(os.environ.get("WSUS_AIRGAP_MODEL_EDITS", "40"))
BUILT_IN: tuple[GroupPath, ...] = (ALL_COMPUTERS, UNASSIGNED_COMPUTERS)
GROUPS: tuple[GroupPath, ...] = (*BUILT_IN, SERVERS, CLIENTS, RING)
NO_LIMITS = """
max_removals = 100000
max_declines = 100000
max_undeclines = 100000
max_uninstalls = 100000
max_share = 1.0
max_lost_share = 1.0
"""
FAR, NEAR, PAST = NOW + timedelta(days=400), NOW + timedelta(days=2), NOW - timedelta(days=2)

Decided = tuple[str, GroupPath]


@dataclass
class Book:
    """What one server has decided, as the model keeps it."""

    approvals: dict[Decided, Approval] = field(default_factory=dict)
    declines: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, decided: ApprovalSet) -> Book:
        approvals = {(each.update_id, each.group): each for each in decided.approvals}
        return cls(approvals, {each.update_id for each in decided.declines})

    def lists(self) -> list[Approval | Decline]:
        declines = [Decline(update_id=update, revision=1) for update in sorted(self.declines)]
        return [*self.approvals.values(), *declines]

    def approve(self, approval: Approval) -> None:
        self.declines.discard(approval.update_id)
        self.approvals[approval.update_id, approval.group] = approval

    def decline(self, update: str) -> None:
        self.approvals = {key: each for key, each in self.approvals.items() if key[0] != update}
        self.declines.add(update)

    def groups_of(self, update: str) -> list[GroupPath]:
        return sorted(group for found, group in self.approvals if found == update)

    def groups(self) -> list[GroupPath]:
        """All groups of the server: built in, or with an approval."""
        return sorted({*BUILT_IN, *(group for _, group in self.approvals)})

    def rename(self, old: GroupPath, new: GroupPath) -> None:
        """Rename a group; those below it go with it."""

        def path(group: GroupPath) -> GroupPath:
            return (*new, *group[len(old) :]) if group[: len(old)] == old else group

        renamed = (replace(each, group=path(each.group)) for each in self.approvals.values())
        self.approvals = {(each.update_id, each.group): each for each in renamed}


@dataclass
class Model:
    """The policy: three sides in, the server and all that waits out.

    Attributes:
        incomplete: Updates of which a file is missing.
        expired: Updates that Microsoft withdrew.
        licensed: Updates whose licence terms this server wants accepted first.
        unknown: Updates that the package does not have.
        successor: The update that replaces an update.
        applied, rejected, licences: What a person has ruled about.
    """

    last: Book
    incoming: Book
    present: Book
    incomplete: set[str]
    expired: set[str]
    licensed: set[str]
    unknown: set[str]
    successor: dict[str, str]
    applied: set[Decided] = field(default_factory=set)
    rejected: set[Decided] = field(default_factory=set)
    licences: set[Decided] = field(default_factory=set)
    waiting: dict[Decided, str] = field(default_factory=dict)

    def outcome(self) -> Book:
        """What the server holds after the import; ``waiting`` is filled besides."""
        after = Book(dict(self.present.approvals), set(self.present.declines))
        taken_back = (self.present.declines & self.last.declines) - self.incoming.declines
        taken_back -= self.expired  # WSUS declines those by itself
        after.declines -= taken_back
        for key, approval in self.incoming.approvals.items():
            if not self._stands(key, approval) and not self._is_kept(key, after):
                reason = self._obstacle(key, approval)
                if reason is None:
                    after.approvals[key] = approval
                else:
                    self.waiting[key] = reason
        leaving = {
            key
            for key in self.last.approvals
            if key not in self.incoming.approvals and self._is_ours(key)
        }
        declined = self._decline(after, leaving)
        for key in leaving:
            present = self.present.approvals.get(key)
            if present is None or key[0] in declined:
                continue
            if present.action is Action.INSTALL and self._waits(key[0], after, leaving, True):
                self.waiting[key] = "removal-waits-for-successor"
            else:
                after.approvals.pop(key, None)
        for update in declined:
            after.decline(update)
        return after

    def remembered(self, after: Book) -> Book:
        """Return what counts as applied by us afterwards: what stands as staging wants it.

        Of what is decided otherwise here, or waits, the earlier memory stays.
        """
        approvals = {}
        for key, approval in self.incoming.approvals.items():
            stands = key in after.approvals and same(after.approvals[key], approval)
            if stands or key in self.last.approvals:
                approvals[key] = approval if stands else self.last.approvals[key]
        for key, reason in self.waiting.items():
            if reason == "removal-waits-for-successor":
                approvals[key] = self.last.approvals[key]
        declines = self.incoming.declines & (after.declines | self.last.declines)
        return Book(approvals, declines)

    def _stands(self, key: Decided, approval: Approval) -> bool:
        present = self.present.approvals.get(key)
        return present is not None and same(present, approval)

    def _is_kept(self, key: Decided, after: Book) -> bool:
        """Somebody here declined, removed or changed it."""
        return key[0] in after.declines or not self._is_ours(key)

    def _is_ours(self, key: Decided) -> bool:
        last, present = self.last.approvals.get(key), self.present.approvals.get(key)
        if last is None or present is None:
            return last is present
        return same(last, present)

    def _obstacle(self, key: Decided, approval: Approval) -> str | None:
        if key in self.rejected:
            return "rejected"
        is_free, is_block = key in self.applied, approval.action is Action.NOT_APPROVED
        waits_for_terms = key[0] in self.licensed and key not in self.licences
        obstacles = {
            "built-in-group": key[1] in BUILT_IN and not is_free,
            "revision-unknown": key[0] in self.unknown,
            "expired": key[0] in self.expired and approval.action is not Action.UNINSTALL,
            "content-missing": not is_block and key[0] in self.incomplete,
            "licence-terms": not is_block and waits_for_terms,
        }
        if any(obstacles.values()):
            return next(reason for reason, is_there in obstacles.items() if is_there)
        deadline = None if approval.optional else approval.deadline
        if deadline is None or is_free or is_block:
            return None
        if deadline <= NOW:
            return "deadline-past"
        return "deadline-near" if deadline < NOW + timedelta(days=7) else None

    def _decline(self, after: Book, leaving: set[Decided]) -> set[str]:
        """The updates that are declined now."""
        declined = set()
        for update in self.incoming.declines - self.present.declines:
            somebody_approved = any(
                approval.action is not Action.NOT_APPROVED and not self._is_ours(key)
                for key, approval in self.present.approvals.items()
                if key[0] == update
            )
            if update in self.last.declines or somebody_approved:
                continue
            is_approved = any(
                approval.action is Action.INSTALL
                for key, approval in self.present.approvals.items()
                if key[0] == update
            )
            if update in self.unknown:
                self.waiting[update, ()] = "revision-unknown"
            elif self._waits(update, after, leaving, is_approved):
                self.waiting[update, ()] = "decline-waits-for-successor"
            else:
                declined.add(update)
        return declined

    def _waits(self, update: str, after: Book, leaving: set[Decided], unapproved: bool) -> bool:
        """Some update that replaces it could still be had, and none of those is approved here."""
        later: set[str] = set()
        successor = self.successor.get(update)
        while successor is not None:
            later.add(successor)
            successor = self.successor.get(successor)
        later -= after.declines | self.incoming.declines | self.expired
        approved = {
            key[0]
            for key, approval in after.approvals.items()
            if approval.action is Action.INSTALL and key not in leaving
        }
        waiting = {
            key[0]
            for key, reason in self.waiting.items()
            if reason != "rejected" and key in self.incoming.approvals
        }
        if not later or later & approved:
            return False
        return unapproved or bool(later & waiting)


def same(one: Approval, other: Approval) -> bool:
    return terms(one) == terms(other)


def terms(approval: Approval) -> tuple[Action, datetime | None, bool]:
    if approval.action is Action.NOT_APPROVED:
        return (approval.action, None, False)
    return (approval.action, None if approval.optional else approval.deadline, approval.optional)


# --- a random month -------------------------------------------------------------------------------


def any_approval(chance: random.Random, update: str) -> Approval:
    action = chance.choice([*[Action.INSTALL] * 6, Action.UNINSTALL, Action.NOT_APPROVED])
    is_block = action is Action.NOT_APPROVED
    group = chance.choice(GROUPS[1:] if is_block else GROUPS)
    optional = action is Action.INSTALL and chance.random() < 0.15
    deadline = None if is_block or optional else chance.choice([None, None, FAR, NEAR, PAST])
    return Approval(
        update_id=update,
        revision=1,
        group=group,
        action=action,
        deadline=deadline,
        optional=optional,
    )


def edit(chance: random.Random, book: Book, updates: list[str]) -> None:
    """One thing that an administrator does."""
    update = chance.choice(updates)
    groups = book.groups_of(update)
    match chance.choice(["approve", "approve", "remove", "change", "decline", "undecline"]):
        case "approve":
            book.approve(any_approval(chance, update))
        case "remove" if groups:
            del book.approvals[update, chance.choice(groups)]
        case "change" if groups:
            key = (update, chance.choice(groups))
            if book.approvals[key].action is not Action.NOT_APPROVED:
                moved = FAR + timedelta(days=chance.randrange(1, 9))
                book.approvals[key] = replace(book.approvals[key], deadline=moved, optional=False)
        case "decline":
            book.decline(update)
        case "undecline":
            book.declines.discard(update)


def rename_a_group(chance: random.Random, book: Book, name: str) -> None:
    """Rename a group, which may have others below it."""
    groups = [group for group in book.groups() if group not in BUILT_IN]
    if groups:
        group = chance.choice(groups)
        book.rename(group, (*group[:-1], name))


def catalogue(chance: random.Random) -> list[Update]:
    """Updates of every kind.

    A fifth lacks a file, a fifth is replaced by the next one, others have licence terms or are
    expired.
    """
    return [
        Update(
            number,
            title=f"Update {number}",
            files=(File(f"{number}.cab", size=5),) if chance.random() < 0.2 else (),
            supersedes=(number - 1,) if number > 1 and chance.random() < 0.2 else (),
            license_id=guid(9_000_000 + number) if chance.random() < 0.1 else "",
            publication="Expired" if chance.random() < 0.1 else "Published",
        )
        for number in range(1, UPDATES + 1)
    ]


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[DisconnectedSide]:
    """A side whose limits stop nothing."""
    site = write_site_file(tmp_path, side="disconnected", policy=NO_LIMITS)
    with open_test_run(site) as run:
        yield DisconnectedSide(run, PackageWorkshop(tmp_path / "workshop"))


def waiting_now(side: DisconnectedSide) -> dict[Decided, str]:
    approvals = side.run.report.notes["approvals"]
    return {
        (line.update_id or "", line.group): line.reason or ""
        for line in (*approvals.parked, *approvals.held)
    }


def compare(side: DisconnectedSide, model: Model) -> Book:
    """See that server and lists are what the model says; gives what counts as applied by us."""
    expected = model.outcome()
    actual = Book.of(side.present)
    assert {key: terms(each) for key, each in actual.approvals.items()} == {
        key: terms(each) for key, each in expected.approvals.items()
    }
    assert actual.declines == expected.declines
    assert waiting_now(side) == model.waiting
    return actual


def rule(side: DisconnectedSide, key: Decided, kind: str) -> None:
    group = None if key[1] == () else " / ".join(key[1])
    given = Given((key[0],), kind, "because", group, None, revoke=False)
    request = read_request(given, account="anna", now=NOW)
    decide(side.run.ledger, ReportDraft(), request, site_file=side.run.site.path, now=NOW)


@dataclass
class Rulings:
    """Rulings of a person so far, with the approval that each was about."""

    made: dict[tuple[Decided, str], Approval] = field(default_factory=dict)

    def about(self, kind: str, came: Book) -> set[Decided]:
        """The decisions for which a ruling holds; `apply` holds for the same terms alone."""
        return {
            key
            for (key, made), approval in self.made.items()
            if made == kind and (kind != "apply" or came.approvals.get(key) == approval)
        }

    def make(self, side: DisconnectedSide, chance: random.Random, model: Model) -> None:
        """Rule on some of what waits, for the person who decides."""
        for reasons, kinds in ((LET_THROUGH, ("reject", "apply")), (LICENCES, ("accept-licence",))):
            waiting = sorted(key for key, reason in model.waiting.items() if reason in reasons)
            fresh = [key for key in waiting if not any(key == ruled for ruled, _ in self.made)]
            for number, key in enumerate(chance.sample(fresh, min(len(fresh), 6))):
                kind = kinds[number % len(kinds)]
                rule(side, key, kind)
                self.made[key, kind] = model.incoming.approvals[key]


LET_THROUGH = {"built-in-group", "deadline-past", "deadline-near"}
LICENCES = {"licence-terms"}


def first_decisions(chance: random.Random, updates: list[str]) -> tuple[Book, Book]:
    """Make the decisions of both sides before the first crossing."""
    staging, local = Book(), Book()
    for update in updates:
        for _ in range(chance.choice([0, 1, 1, 2])):
            staging.approve(any_approval(chance, update))
        if chance.random() < 0.1:
            staging.decline(update)
        if chance.random() < 0.05:
            local.approve(any_approval(chance, update))
    return staging, local


def facts_of(side: DisconnectedSide, updates: list[str]) -> dict[str, Any]:
    """Return the facts about the updates that the model has to know."""
    known = side.workshop.updates
    side.licensed = {each.key for each in known if each.license_id}
    return {
        "incomplete": {guid(each.number) for each in known if each.files},
        "expired": {guid(each.number) for each in known if each.publication == "Expired"},
        "licensed": {guid(each.number) for each in known if each.license_id},
        "unknown": set(updates) - {guid(each.number) for each in known},
        "successor": {guid(old): guid(each.number) for each in known for old in each.supersedes},
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_three_crossings_with_edits_on_both_sides_end_as_the_policy_says(
    roomy: DisconnectedSide, seed: int
) -> None:
    side, chance = roomy, random.Random(seed)
    side.workshop.updates = catalogue(chance)
    unknown = [guid(UPDATES + number) for number in range(1, UPDATES // 20 + 1)]
    updates = [*(guid(update.number) for update in side.workshop.updates), *unknown]
    facts = facts_of(side, updates)
    last, rulings, parent = Book(), Rulings(), None
    came, local = first_decisions(chance, updates)
    reasons: set[str] = set()
    for sequence in (1, 2, 3):
        if sequence > 1:
            for _ in range(EDITS):
                edit(chance, came, updates)
                edit(chance, local, updates)
            rename_a_group(chance, came, f"Renamed {sequence}")
            rename_a_group(chance, local, f"Renamed here {sequence}")
        side.present = decisions(*local.lists(), groups=local.groups())
        rejected, applied, licences = (
            rulings.about(kind, came) for kind in ("reject", "apply", "accept-licence")
        )
        model = Model(
            last, came, local, **facts, applied=applied, rejected=rejected, licences=licences
        )
        bundle = side.make_bundle(sequence, decided=came.lists(), parent=parent)
        parent = side.import_(bundle).header
        after = compare(side, model)
        last = model.remembered(after)
        require_remembered(side, last)
        reasons |= set(model.waiting.values())
        if sequence < 3:
            rulings.make(side, chance, model)
            came, local = Book(dict(came.approvals), set(came.declines)), after

    # The same bundle once more changes nothing, and the same things wait.
    before, waiting = side.present, waiting_now(side)
    side.import_(bundle)
    assert (side.present, waiting_now(side)) == (before, waiting)
    assert reasons >= {*LET_THROUGH, *LICENCES, "expired", "content-missing", "revision-unknown"}
    assert reasons & {"removal-waits-for-successor", "decline-waits-for-successor"}


def require_remembered(side: DisconnectedSide, last: Book) -> None:
    """See that the ledger remembers as applied what the model does."""
    stored = Book.of(
        ApprovalSet.from_lines(each.document for each in side.run.imports.decisions("applied"))
    )
    assert {key: terms(each) for key, each in stored.approvals.items()} == {
        key: terms(each) for key, each in last.approvals.items()
    }
    assert stored.declines == last.declines


# --- named cases ----------------------------------------------------------------------------------


def install(number: int, group: GroupPath = SERVERS, **changes: Any) -> Approval:
    values: dict[str, Any] = {"revision": 1, "action": Action.INSTALL} | changes
    return Approval(update_id=guid(number), group=group, **values)


def test_a_mass_decline_waits_for_a_person_and_changes_nothing_before(
    side: DisconnectedSide,
) -> None:
    side.workshop.updates = [Update(number) for number in range(1, 41)]
    approvals = [install(number) for number in range(1, 41)]
    delivery = side.import_(side.make_bundle(decided=[*approvals]))
    before = side.present
    declines = [Decline(update_id=guid(number), revision=1) for number in range(1, 31)]
    bundle = side.make_bundle(2, decided=[*declines, *approvals[30:]], parent=delivery.header)

    taken = side.take_in(bundle)
    plan = plan_import(side.run, taken, side.facts, side.list_content())
    with pytest.raises(PlanUnconfirmedError, match="30 of 40"):
        require_confirmed(side.run, taken, plan, confirm=None)
    assert side.present == before

    confirmed = require_confirmed(side.run, taken, plan, confirm=plan.digest)
    steps = side.run.ledger.steps(taken.work.text)
    assert covers(steps, plan.digest, approvals=confirmed.approvals, deletes=plan.deletes)


def test_a_courier_two_weeks_late_installs_nothing_at_once(side: DisconnectedSide) -> None:
    side.workshop.updates = [Update(1), Update(2), Update(3)]
    late = [
        install(1, deadline=NOW - timedelta(days=5)),
        install(2, deadline=NOW + timedelta(days=5)),
        install(3, deadline=NOW + timedelta(days=25)),
    ]
    side.import_(side.make_bundle(decided=[*late]))

    assert Book.of(side.present).approvals.keys() == {(guid(3), SERVERS)}
    assert waiting_now(side) == {
        (guid(1), SERVERS): "deadline-past",
        (guid(2), SERVERS): "deadline-near",
    }


def test_a_removal_and_a_decline_do_not_wait_for_a_successor_that_was_withdrawn(
    side: DisconnectedSide,
) -> None:
    """Nobody can approve it, and nobody decided about it."""
    side.workshop.updates = [
        Update(1),
        Update(2, supersedes=(1,), publication="Expired"),
        Update(3),
        Update(4, supersedes=(3,), publication="Expired"),
        Update(5),
    ]
    approvals = [install(1), install(3), install(5)]
    delivery = side.import_(side.make_bundle(decided=[*approvals]))
    now: list[Approval | Decline] = [Decline(update_id=guid(3), revision=1), install(5)]
    side.import_(side.make_bundle(2, decided=now, parent=delivery.header))

    after = Book.of(side.present)
    assert after.approvals == {(guid(5), SERVERS): install(5)}
    assert after.declines == {guid(3)}
    assert waiting_now(side) == {}


def test_a_block_below_a_groups_approval_crosses_with_it(side: DisconnectedSide) -> None:
    side.workshop.updates = [Update(1)]
    block = install(1, RING, action=Action.NOT_APPROVED)
    side.import_(side.make_bundle(decided=[install(1, CLIENTS), block]))
    assert Book.of(side.present).approvals == {
        (guid(1), CLIENTS): install(1, CLIENTS),
        (guid(1), RING): block,
    }


def test_a_group_that_was_renamed_on_staging_is_another_group_here(side: DisconnectedSide) -> None:
    renamed: GroupPath = (*ALL_COMPUTERS, "Machines")
    side.workshop.updates = [Update(1), Update(2)]
    delivery = side.import_(side.make_bundle(decided=[install(1), install(2)]))
    # Somebody here gave one of them a deadline, which stands.
    changed = install(2, deadline=FAR)
    side.present = decisions(install(1), changed)
    now = [install(1, renamed), install(2, renamed)]
    side.import_(side.make_bundle(2, decided=[*now], parent=delivery.header))

    assert Book.of(side.present).approvals == {
        (guid(1), renamed): now[0],
        (guid(2), SERVERS): changed,
        (guid(2), renamed): now[1],
    }


def test_a_server_that_was_set_back_a_little_gets_the_rest_as_a_local_decision(
    side: DisconnectedSide,
) -> None:
    """Below the limit a restored server looks like one on which approvals were removed."""
    side.workshop.updates = [Update(number) for number in range(1, 41)]
    approvals = [install(number) for number in range(1, 41)]
    bundle = side.make_bundle(decided=[*approvals])
    side.import_(bundle)
    side.present = decisions(*approvals[:35])
    side.import_(bundle)
    assert len(side.present.approvals) == 35
    assert len(side.run.report.notes["conflicts"]) == 5
