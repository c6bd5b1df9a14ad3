"""A rebuilt or emptied disconnected server, and what a person decided about it.

Another server id, or too many decisions gone, stop every run (``server-changed``). ``import
--rebuilt`` goes on. With ``adopt`` what stands on the server counts, and what is gone was taken
away on purpose. With ``reapply`` what is gone counts as never applied, so that the import applies
it again, and what staging has taken back since (a snapshot has it again) counts as ours, so that it
goes. Both are planned and confirmed first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.approvals.losses import Losses, RebuiltChoice, find_losses, find_revived
from tasks.approvals.model import ApprovalSet
from tasks.bundle.canonical import canonical_json
from tasks.importing.approval_run import last_applied
from tasks.importing.remembered import remembered_as_applied
from tasks.importing.taken_back import read_taken_back
from tasks.ledger.imports import Imports, RememberedDecision
from tasks.ledger.store import Ledger
from tasks.names import Side
from tasks.reports.model import Fact, Section
from tasks.run.context import RunContext
from tasks.server.mark import is_set_back

_EFFECTS = {
    "adopt": "what is there stays, and what is gone stays away",
    "reapply": "what is gone is applied again, as far as the bundle still has it, and what staging "
    "has taken back is taken away again",
}


@dataclass(frozen=True, slots=True)
class RebuiltServer:
    """A server that is another one than this site remembers, and a person's choice.

    Attributes:
        choice: ``adopt`` or ``reapply``.
        server_id: The server's id now.
        remembered_id: The id that this site remembers.
        losses: The decisions that were last applied here and are gone.
        last: Number of all decisions that were last applied here.
        revived: Decisions that staging took back and that stand there again; with ``adopt`` none.
    """

    choice: RebuiltChoice
    server_id: str
    remembered_id: str
    losses: Losses
    last: int
    revived: ApprovalSet

    @property
    def revived_number(self) -> int:
        """Number of decisions that staging took back and that stand there again."""
        return len(self.revived.approvals) + len(self.revived.declines)

    @property
    def reason(self) -> str:
        """The plan in one sentence, for the person who confirms it."""
        other = (
            f"its id is {self.server_id}, this site knows {self.remembered_id}"
            if self.server_id != self.remembered_id
            else "its id is the same"
        )
        number = self.revived_number
        again = f", {number} that staging took back are there again" if number else ""
        return (
            f"the server was rebuilt, set back or emptied ({other}; {self.losses.count} of the "
            f"{self.last} decisions last applied are gone{again}), and with {self.choice} "
            f"{_EFFECTS[self.choice]}"
        )

    @property
    def choice_line(self) -> str:
        """The choice and the server that it is about, as canonical JSON."""
        return canonical_json({"rebuilt": self.choice, "server_id": self.server_id}).decode()

    def as_json(self) -> dict[str, object]:
        """Return what a person confirms, for the digest of the plan."""
        return {
            "choice": self.choice,
            "server_id": self.server_id,
            "remembered_id": self.remembered_id,
            "lost_approvals": [[key[0], list(key[1])] for key in sorted(self.losses.approvals)],
            "lost_declines": sorted(self.losses.declines),
            "revived": list(self.revived.lines()),
        }


def find_rebuilt(
    run: RunContext, server_id: str, present: ApprovalSet, choice: RebuiltChoice | None
) -> RebuiltServer | None:
    """Compare the server with what this site remembers; None without a choice or a difference.

    What staging took back counts only on another server or one that was set back: elsewhere a
    person of this side has decided so again.

    Args:
        run: The run.
        server_id: The server's id now.
        present: The server's decisions.
        choice: The person's choice; None: none was made.

    Raises:
        ServerUnfitError: The mark on the server cannot be read.
    """
    remembered = run.ledger.server_id(Side.DISCONNECTED)
    if choice is None or remembered is None:
        return None
    last = last_applied(run.imports)
    revived = ApprovalSet()
    if choice == "reapply" and (remembered != server_id or is_set_back(run)):
        revived = find_revived(read_taken_back(run.ledger), present)
    losses = find_losses(last, present, revived)
    total = len(last.approvals) + len(last.declines)
    rebuilt = RebuiltServer(choice, server_id, remembered, losses, total, revived)
    is_as_it_was = remembered == server_id and not losses.count and not rebuilt.revived_number
    return None if is_as_it_was else rebuilt


def record_rebuilt(ledger: Ledger, rebuilt: RebuiltServer) -> None:
    """Record a confirmed choice durably, so that this and later runs know the server as it is."""
    imports = Imports(ledger)
    if rebuilt.choice == "adopt":
        imports.accept_losses(rebuilt.losses)
    else:
        imports.forget_applied(list(_lost(imports, rebuilt.losses)))
        imports.count_as_applied(remembered_as_applied(rebuilt.revived))
    ledger.replace_server(Side.DISCONNECTED, rebuilt.server_id)


def _lost(imports: Imports, losses: Losses) -> Iterator[RememberedDecision]:
    for decision in imports.decisions("applied"):
        body = decision.document
        is_decline = body.get("kind") == "decline" and decision.update_id in losses.declines
        if is_decline or (
            body.get("kind") == "approval"
            and losses.has_approval(decision.update_id, tuple(body["group"]))
        ):
            yield decision


def rebuilt_section(rebuilt: RebuiltServer) -> Section:
    """Table of what is known of a rebuilt server, for the plan."""
    return Section(
        key="rebuilt",
        title=f"The server was rebuilt, set back or emptied: {rebuilt.choice}",
        note=f"With {rebuilt.choice} {_EFFECTS[rebuilt.choice]}.",
        facts=(
            Fact(label="Server id now", value=rebuilt.server_id),
            Fact(label="Server id that this site knows", value=rebuilt.remembered_id),
            Fact(label="Decisions last applied", value=rebuilt.last, kind="count"),
            Fact(label="Of these gone", value=rebuilt.losses.count, kind="count"),
            Fact(
                label="Taken back by staging, and there again",
                value=rebuilt.revived_number,
                kind="count",
            ),
        ),
    )
