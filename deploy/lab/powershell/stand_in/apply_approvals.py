"""The script ``apply-approvals.ps1``, which carries out a plan operation by operation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from deploy.lab.powershell.stand_in.read_scripts import group_paths
from deploy.lab.powershell.stand_in.run import Run, ScriptError
from deploy.lab.rules import approval_actions, content_agent, groups, update_search
from deploy.lab.rules.server import RuleError, Server
from deploy.lab.rules.update_search import ApprovalRow
from deploy.lab.store.database import ALL_COMPUTERS, UNASSIGNED_COMPUTERS

Operation = dict[str, Any]
_REPEATED = ("done", "already")
_NUMBER = re.compile(r'\s*\{\s*"n"\s*:\s*([0-9]{1,9})\s*[,}]')


def apply_approvals(run: Run) -> None:
    """Answer ``apply-approvals.ps1``."""
    earlier = _earlier_outcomes(run)
    run.begin(keep=True)
    plan = _Plan(run.server)
    for line in run.asked_lines():
        number = _number(line)
        error_type = message = None
        try:
            run.catch_up()
            result = plan.carry_out(json.loads(line))
        except RuleError as error:
            result, error_type, message = "failed", error.type_name, str(error)
        except ScriptError as error:
            result, error_type, message = "failed", "RuntimeException", str(error)
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            # The product writes no such line; the engine has another message for each error.
            result, error_type, message = "failed", "ArgumentException", str(error)
        if result == "already" and earlier.get(number) in _REPEATED:
            continue
        run.write(
            kind="outcome",
            n=number,
            result=result,
            error_type=error_type,
            error=message,
        )
    run.end()


def _number(line: str) -> int:
    """The number of an operation, even of an unreadable one; 0 if it has none."""
    match = _NUMBER.match(line)
    return int(match[1]) if match else 0


def _earlier_outcomes(run: Run) -> dict[int, str]:
    """Reduce an earlier run's output to its outcomes, without a torn line and the end line."""
    path = run.parameter("outputfile")
    if not path.is_file():
        return {}
    earlier_lines: list[str] = []
    earlier: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            outcome = json.loads(line)
        except ValueError:
            continue
        if isinstance(outcome, dict) and outcome.keys() >= {"n", "result"}:
            earlier[outcome["n"]] = outcome["result"]
            earlier_lines.append(f"{line}\n")
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(earlier_lines), encoding="utf-8", newline="\n")
    part.replace(path)
    return earlier


def _path_key(path: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.upper() for name in path)


class _Plan:
    """The operations on a server; groups are read once, approvals for every operation."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._groups = {_path_key(path): key for key, path in group_paths(server).items()}
        self._refused: dict[tuple[str, ...], str] = {}
        self._operations: dict[str, Callable[[Operation], str]] = {
            "group": self._make_group,
            "accept-license": self._accept_license,
            "approve": self._approve,
            "remove": self._remove,
            "decline": self._decline,
            "undecline": self._undecline,
            "resume": self._resume,
        }

    def carry_out(self, operation: Operation) -> str:
        """Carry out an operation; gives ``done`` or ``already``."""
        apply = self._operations.get(operation["op"])
        if apply is None:
            raise ScriptError(f"no operation of this name: {operation['op']}")
        return apply(operation)

    def _make_group(self, operation: Operation) -> str:
        path, result = operation["path"], "already"
        try:
            for depth in range(2, len(path) + 1):
                key = _path_key(path[:depth])
                if key in self._groups:
                    continue
                if key in self._refused:
                    self._group(path[:depth])
                parent = self._group(path[: depth - 1])
                self._groups[key] = groups.create(self._server, path[depth - 1], parent).id
                result = "done"
        except (RuleError, ScriptError) as error:
            self._refused[_path_key(path)] = str(error)
            raise
        return result

    def _group(self, path: Sequence[str]) -> str:
        key = _path_key(path)
        if key in self._groups:
            return self._groups[key]
        why = f": {self._refused[key]}" if key in self._refused else ""
        raise ScriptError(f"no target group {' / '.join(path)}{why}")

    def _present(self, operation: Operation, group_id: str) -> list[ApprovalRow]:
        """The approvals of an update for a group; only a damaged database has more than one."""
        update_id = operation["update_id"]
        return update_search.update_approvals(self._server, update_id, None, group_id=group_id)

    def _update(self, operation: Operation) -> update_search.UpdateRow:
        return update_search.get_update(self._server, operation["update_id"], operation["revision"])

    def _approve(self, operation: Operation) -> str:
        group_id = self._group(operation["group"])
        present = self._present(operation, group_id)
        planned = (
            operation["revision"],
            operation["action"],
            bool(operation["optional"]),
            operation["deadline"],
        )
        if any((a.revision, a.action, a.optional, a.deadline) == planned for a in present):
            return "already"
        self._update(operation)
        others = [a for a in present if a.revision != operation["revision"]]
        if others:
            self._move(others[-1], operation, group_id)
        else:
            self._set(operation, group_id)
        return "done"

    def _set(self, operation: Operation, group_id: str) -> None:
        update = (operation["update_id"], operation["revision"])
        if operation["optional"]:
            approval_actions.approve(self._server, update, "Install", group_id, optional=True)
        else:
            deadline = operation["deadline"]
            action = operation["action"]
            approval_actions.approve(self._server, update, action, group_id, deadline=deadline)

    def _move(self, old: ApprovalRow, operation: Operation, group_id: str) -> None:
        """Delete the old approval before the new one is made; restore it if that fails."""
        update_search.get_update(self._server, old.update_id, old.revision)
        approval_actions.delete_approval(self._server, old.id)
        try:
            self._set(operation, group_id)
        except RuleError:
            self._set(old._asdict(), group_id)
            raise

    def _remove(self, operation: Operation) -> str:
        group_id = self._group(operation["group"])
        result = "already"
        for approval in self._present(operation, group_id):
            planned = (operation["revision"], operation["action"])
            if (approval.revision, approval.action) != planned:
                raise ScriptError("the approval on the server is another one than the plan names")
            approval_actions.delete_approval(self._server, approval.id)
            result = "done"
        return result

    def _accept_license(self, operation: Operation) -> str:
        update = self._update(operation)
        if not update.license_required:
            return "already"
        approval_actions.accept_license(self._server, update.update_id, update.revision)
        return "done"

    def _decline(self, operation: Operation) -> str:
        update = self._update(operation)
        if update.declined:
            return "already"
        approval_actions.decline(self._server, update.update_id, update.revision)
        return "done"

    def _undecline(self, operation: Operation) -> str:
        update = self._update(operation)
        if not update.declined:
            return "already"
        key = (update.update_id, update.revision)
        group_id = ALL_COMPUTERS
        try:
            approval_actions.approve(self._server, key, "NotApproved", group_id)
        except RuleError:
            group_id = UNASSIGNED_COMPUTERS
            approval_actions.approve(self._server, key, "NotApproved", group_id)
        remaining = update_search.update_approvals(self._server, *key, group_id=group_id)
        for approval in remaining:
            if approval.action == "NotApproved":
                approval_actions.delete_approval(self._server, approval.id)
        if self._update(operation).declined:
            raise ScriptError("the update is still declined")
        return "done"

    def _resume(self, operation: Operation) -> str:
        update = self._update(operation)
        if update.state == "Ready":
            return "already"
        content_agent.resume(self._server, update.update_id, update.revision)
        return "done"
