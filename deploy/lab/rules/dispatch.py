"""The operations of the pipe by name, and the rules that answer them.

A request is a line ``["operation", {arguments}]``; the arguments are the parameters of the rule by
name. The answer is one line, ``{"ok": value}`` or ``{"error": ".NET type", "message": "..."}``. A
value of several rows is ``{"columns": [...], "rows": [[...], ...]}``. Rows are written while they
are read, so a long answer needs no memory.
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
    approval_actions,
    approval_rules,
    catalog_site,
    categories,
    cleanup_wizard,
    configuration,
    content_agent,
    groups,
    machine,
    mail,
    network,
    package_export,
    registry,
    revisions,
    subscription,
    update_files,
    update_search,
    windows,
)
from deploy.lab.rules.scope import Scope
from deploy.lab.rules.server import RuleError, Server

_ROWS_AT_ONCE = 200
# The additional duration of every call on a server with slow calls.
_SLOW_SECONDS = 0.002


def answer(server: Server, request: str) -> Iterator[str]:
    """Carry out a request; gives the line of the answer in pieces, with its line end."""
    try:
        operation, arguments = json.loads(request)
        content_agent.catch_up(server)
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
) -> update_search.ApprovalRow:
    return approval_actions.approve(
        server,
        (update_id, revision),
        approval_actions.ACTIONS.get(action, "All"),
        more["group_id"],
        deadline=_whole_seconds(more["deadline"]),
        optional=more["optional"],
    )


def _whole_seconds(time_text: str | None) -> str | None:
    return None if time_text is None else time_text.rstrip("Z").split(".")[0] + "Z"


def _update_approvals(
    server: Server, update_id: str, revision: int, *, group_id: str | None, **more: Any
) -> list[update_search.ApprovalRow]:
    action = approval_actions.ACTIONS.get(more["action"])
    approvals = update_search.update_approvals(
        server, update_id, revision, group_id=group_id, action=action
    )
    earliest, latest = more["earliest"] or "", more["latest"] or "~"
    return [row for row in approvals if earliest <= row.created <= latest]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "server.facts": subscription.facts,
    "server.status": cleanup_wizard.status,
    "server.clean_up": cleanup_wizard.clean_up,
    "server.export": package_export.export_updates,
    "configuration.read": subscription.configuration_values,
    "configuration.save": configuration.save,
    "configuration.state": subscription.configuration_state,
    "mail.read": mail.read,
    "mail.save": mail.save,
    "content.cancel_all": content_agent.cancel_all,
    "content.resume_all": content_agent.resume_all,
    "content.reset": content_agent.reset,
    "content.progress": subscription.progress,
    "content.failed_count": content_agent.failed_count,
    "update.import_from_catalog": catalog_site.import_update,
    "update.get": update_search.get_update,
    "update.present": update_search.is_present,
    "update.delete": approval_actions.delete_update,
    "update.approve": _approve,
    "update.accept_license": approval_actions.accept_license,
    "update.cancel_download": content_agent.cancel,
    "update.resume_download": content_agent.resume,
    "update.decline": approval_actions.decline,
    "update.expire": approval_actions.expire_package,
    "update.refresh_approvals": approval_actions.refresh_approvals,
    "update.approvals": _update_approvals,
    "update.files": update_files.installable_items,
    "update.size": update_files.size_bytes,
    "update.export_metadata": revisions.export_metadata,
    "update.changes": revisions.changes,
    "update.license": update_files.license_agreement,
    "update.related": update_search.related_updates,
    "update.categories": categories.of_update,
    "updates.all": update_search.all_updates,
    "updates.search": update_search.search_updates,
    "updates.text": update_search.search_text,
    "updates.count": update_search.count_updates,
    "approval.get": update_search.get_approval,
    "approval.delete": approval_actions.delete_approval,
    "approvals.search": update_search.search_approvals,
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
    "service.read": windows.services,
    "service.start": windows.start_named,
    "service.stop": windows.stop_named,
    # A list by itself would be rows.
    "machine.read": lambda server, name: {"value": machine.read(server, name)},
    "machine.write": network.write_setting,
    "network.resolves": network.resolves,
    "network.opens": network.opens,
    "network.web": network.web,
    "network.certificate": network.certificate,
    "iis.content_path": network.content_path,
    "registry.read": registry.read_key,
    "registry.write": registry.write_value,
    "registry.remove": registry.remove_value,
    "machine.events": windows.events,
    "machine.pool_events": windows.pool_events,
    "machine.volumes": windows.volumes,
    "machine.processes": windows.processes,
    "machine.create_process": lambda _server, command_line, folder: windows.create_process(
        command_line, folder
    ),
}
