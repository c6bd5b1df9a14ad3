"""The facts of a check, gathered from the server by one script and from our own state."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tasks.bundle.header import StagingFacts
from tasks.checks.facts.gathered import DISCONNECTED_TOPICS, STAGING_TOPICS, Facts
from tasks.checks.facts.machine import Machine
from tasks.checks.facts.own import ContentFolder, Medium, Own
from tasks.errors import AirGapError, PathMissingError, ScriptFailedError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.metadata.server import ServerFacts
from tasks.names import Side
from tasks.refusals import ScriptDigestError
from tasks.run.context import RunContext
from tasks.run.keys import signing_key, site_trust
from tasks.run.stored_documents import read_header_copy
from tasks.scripts import LARGEST_SIGNATURE_BYTES, Script, load_script, script_names
from tasks.server import queries
from tasks.server.language_mode import FULL, language_mode
from tasks.server.mark import mark_problem
from tasks.server.running_wsusutil import find_running
from tasks.server.wsusutil_answer import ask_wsusutil
from tasks.site.settings import Site


def examine_server(run: RunContext) -> Facts:
    """Read everything that a check judges, and change nothing on the server.

    Raises:
        ScriptFailedError: The script gave no answer at all.
    """
    wrong_scripts = _wrong_scripts(run.server, run.site)
    answer = _answer(run, wrong_scripts)
    facts = gather(run, answer)
    at_work = _at_work(run)
    program = run.site.server.wsusutil
    has_wsusutil = _has_wsusutil(run.server, program[0])
    is_running = facts.machine is not None and facts.machine.service_status == "Running"
    may_ask = is_running and at_work == () and has_wsusutil is not False
    own = facts.own.model_copy(
        update={
            "mark_problem": mark_problem(run),
            "at_work": at_work,
            "wrong_scripts": wrong_scripts,
            "has_wsusutil": has_wsusutil,
            "wsusutil_answer": ask_wsusutil(run.server, program) if may_ask else None,
            "staging": _newest_staging(run.imports),
        }
    )
    return facts.model_copy(update={"own": own})


def _answer(run: RunContext, wrong_scripts: Sequence[str] | None) -> queries.ServerAnswer:
    """Ask the server; scripts that are not ours, or a restricted PowerShell, are answers too."""
    # Our own folder need not exist there yet; this one is removed when the host is closed.
    folder = run.server.request_folder()
    try:
        return queries.read_topics(run, topics=topics_for(run.site.side), folder=folder)
    except (ScriptDigestError, PathMissingError) as error:
        if not wrong_scripts:
            raise
        return _nothing_but(error.message)
    except ScriptFailedError as error:
        mode = language_mode(run.server, run.site.server.powershell)
        if mode in (None, FULL):
            raise
        return _nothing_but(error.message, machine=Machine(language_mode=mode))


def _nothing_but(reason: str, **topics: object) -> queries.ServerAnswer:
    return queries.ServerAnswer(None, {**topics, "unknown": {"server": reason}})


def _wrong_scripts(server: Host, site: Site) -> tuple[str, ...] | None:
    """Compare the scripts that the site installed with ours; None if it installs none."""
    if site.server.scripts_dir is None:
        return None
    folder = server.path(site.server.scripts_dir)
    scripts = map(load_script, script_names())
    return tuple(script.file_name for script in scripts if not _is_ours(server, folder, script))


def _is_ours(server: Host, folder: HostPath, script: Script) -> bool:
    path = folder.joined(script.file_name)
    stat = server.stat(path)
    if stat is None or stat.size_bytes > len(script.content) + LARGEST_SIGNATURE_BYTES:
        return False
    return script.is_installed_as(b"".join(bytes(view) for view in server.read(path)))


def _at_work(run: RunContext) -> tuple[str, ...] | None:
    try:
        running = find_running(run, folder=run.server.request_folder())
    except AirGapError:
        return None
    return tuple(process.sentence for process in running)


def _has_wsusutil(server: Host, program: str) -> bool | None:
    """Look for the program, without starting it."""
    try:
        path = server.path(program)
    except ValueError:
        return None  # a name that the server looks up by itself
    try:
        return server.stat(server.real_path(path)) is not None
    except AirGapError as error:
        if error.retryable:
            raise
        return None


def _newest_staging(imports: Imports) -> StagingFacts | None:
    """The staging server as the newest finished import knew it, from our copy of its header."""
    newest = imports.newest_done()
    header = read_header_copy(newest.folder) if newest else None
    return header.server if header else None


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
    facts = Facts(
        side=run.site.side,
        now=run.clock(),
        asked=answer.asked,
        own=_own(run, answer.server, staging=staging),
        server=answer.server,
        **answer.topics,
    )
    if facts.machine is None or not _is_behind_link(run.server, answer.server):
        return facts
    # The server names the volume of the link, and our folder is on that of its target.
    machine = facts.machine.model_copy(update={"work_volume": None})
    return facts.model_copy(update={"machine": machine})


def _is_behind_link(server: Host, facts: ServerFacts | None) -> bool:
    if facts is None:
        return False
    try:
        path = server.path(facts.content_dir)
    except ValueError:
        return False
    return server.real_path(path) != path


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
        limits=site.check,
        newest_bundle=newest,
        newest_bundle_name=name,
        newest_import=imported.done if imported is not None else None,
        server=site.server.address,
        wsusutil=site.server.wsusutil[0],
        known_server_id=ledger.server_id(site.side),
        known_staging_id=ledger.server_id(Side.STAGING),
        content_folder=None if server is None else _content_folder(run.server, site, server),
        medium=_medium(site.media.path, is_written=site.side is Side.STAGING),
        probe_failures=ledger.probe_failures,
        carried_bytes=_carried_bytes(run.exports),
        fingerprint=signing_key(site).public.fingerprint,
        trusted=tuple(key.fingerprint for key in site_trust(site).keys),
        staging=staging,
    )


def _carried_bytes(exports: Exports) -> int | None:
    newest = exports.newest_sealed()
    header = read_header_copy(newest.folder) if newest else None
    return header.counts.carried_bytes if header else None


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
        path = server.real_path(server.path(configured))
        if site.side is Side.STAGING and server.stat(path) is None:
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
        stat = server.stat(server.real_path(path))
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
