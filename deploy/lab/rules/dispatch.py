"""What comes over the pipe: operations by name, and the rules that answer them.

A request is a line ``["operation", {arguments}]``, whose arguments are the parameters of the rule
by name. The answer is one line: ``{"ok": value}``, where
several rows are ``{"columns": [...], "rows": [[...], ...]}``, or ``{"error": ".NET type",
"message": "..."}``. Rows are written as they are found, so an answer of any length needs no room.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from deploy.lab.rules import (
    agent,
    approval_rules,
    approving,
    categories,
    cleanup_wizard,
    configuration,
    exporting,
    groups,
    mail,
    revisions,
    searching,
    subscription,
    update_files,
    windows,
)
from deploy.lab.rules.scope import Scope
from deploy.lab.rules.server import RuleError, Server

_ROWS_AT_ONCE = 200
# What every call costs on a server with slow calls.
_SLOW_SECONDS = 0.002


def answer(server: Server, request: str) -> Iterator[str]:
    """Carry out a request; gives the answer's line in pieces, line end included."""
    try:
        operation, arguments = json.loads(request)
        agent.catch_up(server)
        if server.setting("slow_calls"):
            time.sleep(_SLOW_SECONDS)
        if "scope" in arguments:
            arguments["scope"] = Scope(**arguments["scope"])
        result = OPERATIONS[operation](server, **arguments)
    except RuleError as error:
        yield _failure(error.type_name, str(error))
        return
    except OSError as error:
        yield _failure("IOException", str(error))
        return
    except sqlite3.Error as error:
        yield _failure("SqlException", str(error))
        return
    yield '{"ok":'
    if isinstance(result, tuple):
        yield from _table(iter([result]))
    elif isinstance(result, list | Iterator):
        yield from _table(iter(result))
    else:
        yield _json(result)
    yield "}\n"


def _table(rows: Iterator[Any]) -> Iterator[str]:
    first = next(rows, None)
    yield '{"columns":' + _json([] if first is None else first._fields) + ',"rows":['
    if first is not None:
        yield _json(first)
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        yield "," + _json(batch)[1:-1]
    yield "]}"


def _failure(type_name: str, message: str) -> str:
    return _json({"error": type_name, "message": message}) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _approve(
    server: Server, update_id: str, revision: int, *, action: int, **more: Any
) -> searching.ApprovalRow:
    return approving.approve(
        server,
        (update_id, revision),
        approving.ACTIONS.get(action, "All"),
        more["group_id"],
        deadline=_whole_seconds(more["deadline"]),
        optional=more["optional"],
    )


def _whole_seconds(time_text: str | None) -> str | None:
    return None if time_text is None else time_text.rstrip("Z").split(".")[0] + "Z"


def _update_approvals(
    server: Server, update_id: str, revision: int, *, group_id: str | None, **more: Any
) -> list[searching.ApprovalRow]:
    action = approving.ACTIONS.get(more["action"])
    found = searching.update_approvals(
        server, update_id, revision, group_id=group_id, action=action
    )
    earliest, latest = more["earliest"] or "", more["latest"] or "~"
    return [row for row in found if earliest <= row.created <= latest]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "server.facts": subscription.facts,
    "server.status": cleanup_wizard.status,
    "server.clean_up": cleanup_wizard.clean_up,
    "server.export": exporting.export_updates,
    "configuration.read": subscription.configuration_values,
    "configuration.save": configuration.save,
    "configuration.state": subscription.configuration_state,
    "mail.read": mail.read,
    "mail.save": mail.save,
    "content.cancel_all": agent.cancel_all,
    "content.resume_all": agent.resume_all,
    "content.reset": agent.reset,
    "content.progress": subscription.progress,
    "content.failed_count": agent.failed_count,
    "update.get": searching.get_update,
    "update.present": searching.is_present,
    "update.delete": approving.delete_update,
    "update.approve": _approve,
    "update.accept_license": approving.accept_license,
    "update.cancel_download": agent.cancel,
    "update.resume_download": agent.resume,
    "update.decline": approving.decline,
    "update.expire": approving.expire_package,
    "update.refresh_approvals": approving.refresh_approvals,
    "update.approvals": _update_approvals,
    "update.files": update_files.installable_items,
    "update.size": update_files.size_bytes,
    "update.export_metadata": revisions.export_metadata,
    "update.changes": revisions.changes,
    "update.license": update_files.license_agreement,
    "update.related": searching.related_updates,
    "update.categories": categories.of_update,
    "updates.all": searching.all_updates,
    "updates.search": searching.search_updates,
    "updates.text": searching.search_text,
    "updates.count": searching.count_updates,
    "approval.get": searching.get_approval,
    "approval.delete": approving.delete_approval,
    "approvals.search": searching.search_approvals,
    "rules.all": approval_rules.all_rules,
    "rule.create": approval_rules.create,
    "rule.save": lambda server, **rule: approval_rules.save(server, approval_rules.RuleRow(**rule)),
    "rule.delete": approval_rules.delete,
    "rule.apply": approval_rules.apply_rule,
    "groups.all": groups.all_groups,
    "group.get": groups.get_group,
    "group.create": groups.create,
    "group.delete": groups.delete,
    "group.children": groups.children,
    "group.parent": groups.parent,
    "group.valid_name": lambda _server, name: groups.is_valid_name(name),
    "categories.all": categories.all_categories,
    "category.get": categories.get_category,
    "category.children": categories.children,
    "category.parent": categories.parent,
    "classifications.all": categories.all_classifications,
    "classification.get": categories.get_classification,
    "subscription.read": subscription.read,
    "subscription.save": subscription.save,
    "subscription.categories": partial(
        categories.subscribed, setting=categories.CATEGORIES_SETTING
    ),
    "subscription.classifications": partial(
        categories.subscribed, setting=categories.CLASSIFICATIONS_SETTING
    ),
    "subscription.events": subscription.events,
    "subscription.event": subscription.get_event,
    "synchronization.last": subscription.last_synchronization,
    "synchronization.history": subscription.history,
    "synchronization.get": subscription.get_synchronization,
    "synchronization.progress": subscription.synchronization_progress,
    "synchronization.start": partial(configuration.synchronize, manual=True),
    "service.read": windows.service,
    "service.start": windows.start_service,
    "service.stop": windows.stop_service,
    "machine.volumes": windows.volumes,
    "machine.processes": windows.processes,
    "machine.create_process": lambda _server, command_line, folder: windows.create_process(
        command_line, folder
    ),
}
