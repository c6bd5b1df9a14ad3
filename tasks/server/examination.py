"""The facts of a check, gathered from the server by one script and from our own state."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path

from tasks.bundle.header import StagingFacts
from tasks.checks.facts.gathered import DISCONNECTED_TOPICS, STAGING_TOPICS, Facts
from tasks.checks.facts.own import ContentFolder, Medium, Own
from tasks.hosts.host import Host
from tasks.ledger.exports import Exports
from tasks.metadata.server import ServerFacts
from tasks.names import Side
from tasks.run.context import RunContext
from tasks.server import queries
from tasks.site.settings import Site


def examine_server(run: RunContext) -> Facts:
    """Read everything that a check judges, and change nothing on the server.

    Raises:
        ScriptFailedError: The script gave no answer at all.
    """
    # Our own folder need not exist there yet; this one is removed when the host is closed.
    folder = run.server.request_folder()
    answer = queries.read_topics(run, topics=topics_for(run.site.side), folder=folder)
    return gather(run, answer)


def examine_for_crossing(run: RunContext, *, staging: StagingFacts | None) -> Facts:
    """Read the same for an export or an import, which starts a service that is stopped.

    Args:
        run: The run.
        staging: The staging server, from a bundle's verified header; None for an export.

    Raises:
        ServiceDownError, WsusutilRunningError: As ``queries.read_running_topics``.
    """
    answer = queries.read_running_topics(
        run, since=since_newest(run.exports), topics=topics_for(run.site.side)
    )
    return gather(run, answer, staging=staging)


def examine_requirements(run: RunContext) -> Facts:
    """Read what the requirements of a crossing need, and nothing else."""
    return gather(run, queries.read_running_topics(run, topics=(), since=since_newest(run.exports)))


def since_newest(exports: Exports) -> datetime | None:
    """Time from which arrivals are counted: that of the newest bundle."""
    newest = exports.newest()
    return newest.created if newest else None


def topics_for(side: Side) -> tuple[str, ...]:
    """Topics that a whole check asks for on a side."""
    return STAGING_TOPICS if side is Side.STAGING else DISCONNECTED_TOPICS


def gather(
    run: RunContext, answer: queries.ServerAnswer, *, staging: StagingFacts | None = None
) -> Facts:
    """Put the answer of the server and our own facts together."""
    return Facts(
        side=run.site.side,
        now=run.clock(),
        own=_own(run, answer.server, staging=staging),
        server=answer.server,
        **answer.topics,
    )


def _own(run: RunContext, server: ServerFacts | None, *, staging: StagingFacts | None) -> Own:
    site, ledger = run.site, run.ledger
    sealed, imported = run.exports.newest_sealed(), run.imports.newest_done()
    newest, name = None, ""
    if site.side is Side.STAGING and sealed is not None:
        newest, name = sealed.sealed, sealed.bundle.name
    elif site.side is Side.DISCONNECTED and imported is not None:
        newest, name = imported.created, f"bundle {imported.sequence}"
    return Own(
        max_quiet_days=site.trust.max_quiet_days,
        newest_bundle=newest,
        newest_bundle_name=name,
        known_server_id=ledger.server_id(site.side),
        known_staging_id=ledger.server_id(Side.STAGING),
        content_folder=None if server is None else _content_folder(run.server, site, server),
        medium=_medium(site.media.path, is_written=site.side is Side.STAGING),
        staging=staging,
    )


def _content_folder(server: Host, site: Site, facts: ServerFacts) -> ContentFolder:
    """Look at the content folder: the one in the site file, else the one that the server names.

    WSUS always creates this folder and calls it ``WsusContent`` (``LocalContentCachePath`` in its
    configuration). If it is missing, its disk is probably not mounted; exporting would record an
    empty server.
    """
    configured = site.server.content_dir
    if configured is not None:
        problem = None
        # The disconnected side makes what is missing of a folder that its site file names.
        if site.side is Side.STAGING and server.stat(server.path(configured)) is None:
            problem = f"the content folder of the site file is not there: {configured}"
        return ContentFolder(path=configured, named_by="site file", problem=problem)
    return ContentFolder(
        path=facts.content_dir, named_by="server", problem=_problem(server, facts.content_dir)
    )


def _problem(server: Host, content_dir: str) -> str | None:
    try:
        path = server.path(content_dir)
        if path.name.lower() != "wsuscontent":
            return f"it names a content folder that is no WsusContent: {path}"
        stat = server.stat(path)
        if stat is not None and stat.kind != "file":
            return None
    except ValueError as error:
        return f"it names a content folder that cannot be one: {error}"
    return f"its content folder is not there: {path}"


def _medium(path: Path, *, is_written: bool) -> Medium:
    """Look at the medium; on the disconnected side nothing is ever written on it."""
    if not path.is_dir():
        return Medium(path=str(path), is_there=False)
    try:
        free_bytes = shutil.disk_usage(path).free
    except OSError:
        free_bytes = None
    return Medium(
        path=str(path),
        is_there=True,
        is_writable=_takes_a_file(path) if is_written else None,
        free_bytes=free_bytes,
    )


def _takes_a_file(folder: Path) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".wsus-airgap-"):
            return True
    except OSError:
        return False
