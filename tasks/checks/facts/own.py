"""Facts of this side itself: bundles, media, folders, remembered server ids."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from tasks.bundle.header import StagingFacts
from tasks.checks.facts.topic import Topic
from tasks.checks.limits import CheckLimits
from tasks.metadata.server import Bytes
from tasks.names import Count


class ContentFolder(Topic):
    """The content folder that a crossing would use.

    Attributes:
        path: Its path on the server.
        named_by: The site file (``server.content_dir``) or the server itself.
        problem: None if it is there; else the reason for which it cannot be used, in words.
    """

    path: str
    named_by: Literal["site file", "server"]
    problem: str | None


class MarkProblem(Topic):
    """A mark on the server that does not agree with the state folder.

    Attributes:
        is_refused: True if an export, import or audit refuses because of it.
    """

    sentence: str
    next_step: str
    is_refused: bool


class Medium(Topic):
    """The folder of the media on the orchestrator.

    Attributes:
        is_there: True if the folder exists.
        is_writable: Whether a file can be made in it; None if it was not tried.
        free_bytes: None if it cannot be read.
    """

    path: str
    is_there: bool
    is_writable: bool | None = None
    free_bytes: Bytes | None = None


class ProgramAnswer(Topic):
    """The end of a program on the server that was asked something.

    Attributes:
        exit_code: None if it could not be started.
        last_line: The last line that it printed if it failed, or why it was not started.
            Untrusted.
    """

    exit_code: int | None
    last_line: str = ""


class Own(Topic):
    """Facts of the site file and of the state folder.

    Attributes:
        max_quiet_days: The site's limit for the age of the newest bundle.
        limits: The site's other limits.
        newest_bundle: Time at which the newest bundle was sealed, or on the disconnected side
            made; None if there is none.
        newest_bundle_name: Its name, or its number on the disconnected side.
        newest_import: Time at which the newest import ended, on the disconnected side.
        server: Address of the server in the site file.
        wsusutil: Path of wsusutil in the site file.
        has_wsusutil: True if that program is there; None if it was not looked for.
        wsusutil_answer: Its answer to a question that changes nothing; None if it was not asked
            (only the command ``check`` asks, not beside one at work or while the service is
            stopped, when an export may be about to start it) or did not end.
        known_server_id: The server id that this site remembers; None before the first run.
        known_staging_id: The same of the staging server, on the disconnected side.
        carried_bytes: Size of the content that the newest bundle carried.
        mark_problem: The mark that disagrees with the state folder; None if they agree, or the
            command compares them itself.
        at_work: Sentences on every wsusutil at work; None if it was not asked.
        fingerprint: Fingerprint of the key that this side seals with.
        trusted: Fingerprints of the keys that it trusts.
        wrong_scripts: Installed scripts that are missing or not ours; None if the site installs
            none.
        probe_failures: Id and evidence of what would break a crossing, by the last probe; None
            before the first.
        staging: The staging server, from the bundle that is imported, else from the newest one.
    """

    max_quiet_days: Count
    limits: CheckLimits = CheckLimits()
    newest_bundle: AwareDatetime | None = None
    newest_bundle_name: str = ""
    newest_import: AwareDatetime | None = None
    server: str = ""
    wsusutil: str = ""
    has_wsusutil: bool | None = None
    wsusutil_answer: ProgramAnswer | None = None
    known_server_id: str | None = None
    known_staging_id: str | None = None
    content_folder: ContentFolder | None = None
    medium: Medium | None = None
    carried_bytes: Bytes | None = None
    mark_problem: MarkProblem | None = None
    at_work: tuple[str, ...] | None = None
    fingerprint: str | None = None
    trusted: tuple[str, ...] = ()
    wrong_scripts: tuple[str, ...] | None = None
    probe_failures: tuple[tuple[str, str], ...] | None = None
    staging: StagingFacts | None = None
