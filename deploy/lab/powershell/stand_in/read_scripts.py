"""The scripts that read: the server, its approvals, and the states of updates."""

from __future__ import annotations

from deploy.lab.powershell.stand_in import server_topics
from deploy.lab.powershell.stand_in.files import volume_of
from deploy.lab.powershell.stand_in.run import Run
from deploy.lab.rules import (
    approval_rules,
    configuration,
    content_agent,
    groups,
    subscription,
    update_files,
    update_search,
    windows,
)
from deploy.lab.rules.scope import DECLINED, LATEST_APPROVED, STALE, Scope
from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.rules.update_search import UpdateRow
from deploy.lab.store.database import (
    ALL_COMPUTERS,
    DOWNSTREAM_SERVERS,
    UNASSIGNED_COMPUTERS,
)

BUILT_IN_PATHS = {
    ALL_COMPUTERS: ["All Computers"],
    UNASSIGNED_COMPUTERS: ["All Computers", "Unassigned Computers"],
    DOWNSTREAM_SERVERS: ["All Computers", "Downstream Servers"],
}
_APPROVED = LATEST_APPROVED | STALE


def read_server(run: Run) -> None:
    """Answer ``read-server.ps1``: the server, and the topics that are asked for."""
    try:
        _write_server(run)
    except RuleError as error:
        if not run.settings.get("topics"):
            raise
        run.write(kind="unknown", topic="server", reason=str(error))
    server_topics.write_topics(run)
    run.end()


def _write_server(run: Run) -> None:
    server = run.server
    values = subscription.configuration_values(server)
    facts = subscription.facts(server, None, 0, secure=False)
    last = subscription.last_synchronization(server)
    total, downloaded = subscription.progress(server)
    since = run.settings.get("since")
    from_microsoft = bool(values["SyncFromMicrosoftUpdate"])
    content_dir = str(values["LocalContentCachePath"])
    volume = volume_of(server, content_dir)
    run.write(
        kind="server",
        server_id=values["ServerId"],
        version=facts.version,
        protocol_version=facts.protocol_version,
        is_replica=values["IsReplicaServer"],
        sync_from_microsoft_update=from_microsoft,
        upstream_server=None if from_microsoft else values["UpstreamWsusServerName"],
        host_binaries_on_microsoft_update=values["HostBinariesOnMicrosoftUpdate"],
        download_express=values["DownloadExpressPackages"],
        download_as_needed=values["DownloadUpdateBinariesAsNeeded"],
        all_languages=values["AllUpdateLanguagesEnabled"],
        languages=sorted(values["EnabledUpdateLanguages"]),
        content_dir=content_dir,
        content_volume=None
        if volume is None
        else {"free_bytes": volume.free_bytes, "file_system": volume.file_system},
        update_count=update_search.count_updates(server),
        declined_count=update_search.count_updates(server, Scope(states=DECLINED)),
        approved_count=update_search.count_updates(server, Scope(states=_APPROVED)),
        arrived_since=None
        if since is None
        else update_search.count_updates(server, Scope(arrived_from=since)),
        synchronization=configuration.synchronization_status(server),
        last_sync_result=last.result,
        last_sync_end=None if last.result == "NeverRun" else last.ended,
        service_status=windows.service(server).status,
        failed_downloads=content_agent.failed_count(server),
        bytes_to_download=total,
        bytes_downloaded=downloaded,
        active_rules=sum(rule.enabled for rule in approval_rules.all_rules(server)),
        auto_approve_infrastructure=values["AutoApproveWsusInfrastructureUpdates"],
        auto_refresh_approvals=values["AutoRefreshUpdateApprovals"],
        auto_decline_expired=values["AutoRefreshUpdateApprovalsDeclineExpired"],
        clock=now(),
    )


def read_approvals(run: Run) -> None:
    """Answer ``read-approvals.ps1``."""
    server = run.server
    paths = group_paths(server)
    for group in groups.all_groups(server):
        run.write(kind="group", id=group.id, path=paths[group.id], computers=0)
    approved = _write_approvals(run, paths)
    for update in update_search.search_updates(server, Scope(states=_APPROVED)):
        if (update.update_id, update.revision) in approved:
            del approved[update.update_id, update.revision]
            _write_update(run, update)
    for key in approved:
        try:
            _write_update(run, update_search.get_update(server, *key))
        except RuleError as error:
            _write_unresolved(run, "update", key, error)
    for update in update_search.search_updates(server, Scope(states=DECLINED)):
        run.write(kind="decline", update_id=update.update_id, revision=update.revision)
    run.end()


def _write_approvals(run: Run, paths: dict[str, list[str]]) -> dict[tuple[str, int], None]:
    """Write every approval; gives the revisions whose updates are still to be written."""
    server = run.server
    approved: dict[tuple[str, int], None] = {}
    for approval in update_search.search_approvals(server, Scope()):
        try:
            groups.get_group(server, approval.group_id)
        except RuleError as error:
            _write_unresolved(
                run, "approval", (approval.update_id, approval.revision), error,
                id=approval.group_id, action=approval.action,
            )  # fmt: skip
            continue
        approved[approval.update_id, approval.revision] = None
        run.write(
            kind="approval",
            update_id=approval.update_id,
            revision=approval.revision,
            group=paths[approval.group_id],
            action=approval.action,
            deadline=approval.deadline,
            optional=approval.optional,
            administrator=approval.administrator,
            created=approval.created,
        )
    return approved


def _write_unresolved(
    run: Run, what: str, key: tuple[str, int], error: RuleError, **more: str
) -> None:
    run.write(
        kind="unresolved",
        what=what,
        id=more.get("id"),
        update_id=key[0],
        revision=key[1],
        action=more.get("action"),
        reason=str(error),
    )


def read_license_files(run: Run) -> None:
    """Answer ``read-license-files.ps1``."""
    asked = list(run.asked())
    run.begin()
    for row in asked:
        try:
            files = update_files.installable_items(
                run.server, row["update_id"], row["revision"], "http://localhost"
            )
        except RuleError:
            continue
        for file in files:
            if file.name is not None:
                is_license = file.is_license
                run.write(kind="file", sha1=file.sha1, name=file.name, is_license=is_license)
    run.end()


def read_updates(run: Run) -> None:
    """Answer ``read-updates.ps1``."""
    run.begin()
    for asked in run.asked():
        update_id = asked["update_id"]
        update = _find(run.server, update_id, asked["revision"])
        latest = update if update is not None and update.is_latest else None
        latest = latest or _find(run.server, update_id, 0)
        run.write(
            kind="update",
            update_id=update_id,
            revision=asked["revision"],
            found=update is not None,
            state=None if update is None else update.state,
            declined=None if update is None else update.declined,
            latest_revision=None if latest is None else latest.revision,
            license_required=None if update is None else update.has_license,
            license_accepted=None if update is None else is_accepted(update),
        )
    run.end()


def group_paths(server: Server) -> dict[str, list[str]]:
    """The path of every group by its id; built-in groups have their English names."""
    rows = server.connection.execute("SELECT id, name, parent_id FROM target_group").fetchall()
    rows_by_id = {row["id"]: row for row in rows}
    paths = {group_id: list(path) for group_id, path in BUILT_IN_PATHS.items()}

    def path_of(group_id: str) -> list[str]:
        if group_id not in paths:
            row = rows_by_id[group_id]
            paths[group_id] = [*path_of(row["parent_id"]), row["name"]]
        return paths[group_id]

    return {group_id: path_of(group_id) for group_id in rows_by_id}


def is_accepted(update: UpdateRow) -> bool:
    """True if the licence terms of an update with terms are accepted."""
    return update.has_license and not update.license_required


def _find(server: Server, update_id: str, revision: int) -> UpdateRow | None:
    try:
        return update_search.get_update(server, update_id, revision)
    except RuleError:
        return None


def _write_update(run: Run, update: UpdateRow) -> None:
    run.write(
        kind="update",
        update_id=update.update_id,
        revision=update.revision,
        title=update.title,
        state=update.state,
        license_required=update.has_license,
        license_accepted=is_accepted(update),
        superseded=update.superseded,
        expired=update.publication == "Expired",
        latest=update.is_latest,
        local=update.source == 1,
    )
