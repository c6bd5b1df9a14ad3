"""Refusals: errors for trust (exit code 3) and for safety (exit code 4).

They are two branches of the tree in ``tasks/errors.py``. A refused command stops before its next
change. Nothing that WSUS or its clients see has changed by then, unless an earlier step of the
import placed content or loaded metadata (``wsusutil-running`` may refuse a later step).
"""

from __future__ import annotations

from tasks.errors import AirGapError


class TrustError(AirGapError):
    """Refused before the next change: a bundle, receipt or server cannot be trusted."""

    kind = "trust"
    exit_code = 3
    template = "{reason}"
    remedy = (
        "Do not use this medium. Find out where it has been, and have what it carries made again."
    )


class SealError(TrustError):
    """There are too few valid seals by keys that this site trusts."""

    kind = "seal"
    template = "{path} has no valid seal: {reason}"


class TamperError(TrustError):
    """Bytes differ from the digests under the seal."""

    kind = "tamper"
    template = "{path}: expected {expected}, found {found}"


class MalwareError(TrustError):
    """The site's malware scanner did not find the media clean."""

    kind = "malware"
    template = "{scanner} did not find {path} clean (exit code {code}): {found}"
    remedy = (
        "Read the scanner's own log. If it found something, do not use this medium; if it could "
        "not scan, mend it (media.scan_command in the site file), and run the same command again."
    )


class CustodyError(TrustError):
    """The custody log of this side was changed."""

    kind = "custody"
    template = "{path} is not what this side recorded: {reason}"
    remedy = (
        "Keep the state folder as it is and copy it away as evidence. Then find out who had access "
        "to this machine; `wsus-airgap history` shows what the ledger has."
    )


class UndeclaredFileError(TrustError):
    """A bundle's folder holds names that its seal does not cover."""

    kind = "undeclared"
    template = "bundle {bundle} holds {count} undeclared names: {names}"


class WrongSiteError(TrustError):
    """A bundle or receipt of another site, or of another volume set."""

    kind = "wrong-site"
    template = "{what} is for {found}, expected {expected}"
    remedy = "Use the bundle that was made for this site."


class ChainError(TrustError):
    """A bundle or receipt does not fit the chain of this site."""

    kind = "chain"
    template = "{reason}"

    def __init__(self, *, reason: str, remedy: str) -> None:
        super().__init__(reason=reason, remedy=remedy)


class BundleAgeError(TrustError):
    """A bundle is older than the site accepts."""

    kind = "age"
    template = "{bundle} was made {age_days} days ago; this site accepts {limit_days}"
    remedy = "Bring a newer bundle, or raise trust.max_bundle_age_days if the delay is explained."


class HostKeyError(TrustError):
    """An SSH server shows another key than the pinned one, or no key is pinned."""

    kind = "host-key"
    template = "{address} shows host key {found}; {known_hosts} has {expected}"
    remedy = (
        "If the server was rebuilt on purpose, compare the fingerprint on its console, then put "
        "the line `{line}` into {known_hosts}."
    )


class ScriptDigestError(TrustError):
    """A script that the site installed on the server differs from the script of this version."""

    kind = "script-digest"
    template = "{path} on the server has SHA-256 {found}, expected {expected}"
    remedy = "Install the scripts of this version on the server again, or clear server.scripts_dir."


class SafetyError(AirGapError):
    """Refused before the next change: going on could do harm."""

    kind = "safety"
    exit_code = 4


class SettingsDifferError(SafetyError):
    """The two servers' settings do not fit each other; the sentence names every difference."""

    kind = "settings"
    template = "the servers' settings differ: {differences}"


class ServerUnfitError(SafetyError):
    """The server's role or state forbids this command (replica, synchronising, remote content)."""

    kind = "server-unfit"
    template = "the {side} server cannot be used now: {reason}"


class CheckFindingError(SafetyError):
    """The check that comes first found something that the site does not let pass."""

    kind = "finding"
    template = "the check of the {side} server found {finding}: {meaning} ({evidence}){others}"


class BackupFailedError(SafetyError):
    """The site's own safety copy of the database failed, and the metadata were not loaded."""

    kind = "backup-failed"
    template = "the safety copy before the import failed: {program}: {reason}"
    remedy = (
        "Run server.backup_command by hand on the server and mend what it names, or let a copy end "
        "that takes long; then run the same command again; content that is in place is not copied "
        "again."
    )


class WsusutilRunningError(SafetyError):
    """A wsusutil is at work on the server, and nothing may be changed beside it."""

    kind = "wsusutil-running"


REBUILT_REMEDY = (
    "If it was rebuilt, restored or emptied on purpose, import the newest bundle with "
    "`--rebuilt adopt`, which keeps what is there, or `--rebuilt reapply`, which applies the last "
    "state again; both show their plan first."
)


class ServerChangedError(SafetyError):
    """A server's id, or its applied decisions, differ from what this site remembers."""

    kind = "server-changed"
    template = "{reason}"


class PlanUnconfirmedError(SafetyError):
    """A plan waits for a person's confirmation; nothing was carried out."""

    kind = "plan-unconfirmed"
    template = "a plan waits for confirmation: {summary}"
    remedy = "Read the plan in the report, then run again with --confirm {plan_digest}"


class PlanChangedError(SafetyError):
    """The plan is not the one that a person confirmed; nothing was carried out."""

    kind = "plan-changed"
    template = "the plan is not the one that was confirmed: {differences}"
    remedy = (
        "Read the differences in the report; if they are right, run again with --confirm "
        "{plan_digest}, else with --rehearse."
    )


class DeleteLimitError(SafetyError):
    """A mirror would delete more than the site ever allows, confirmed or not."""

    kind = "delete-limit"
    template = "{reason}; nothing was deleted"
    remedy = (
        "Read the list in the report. If all of it is to go, raise that limit for one import; "
        "else have the staging side export without `--mode mirror`."
    )


class ClockError(SafetyError):
    """The clocks of the two sides contradict each other."""

    kind = "clock"
    template = "this machine's clock says {clock}, the bundle was made {created}"
    remedy = "Set the clock that is wrong, then run the command again."


class RoomError(SafetyError):
    """A disk is too small for what is about to be written."""

    kind = "room"
    template = "{where} has {free_bytes} free, {needed_bytes} are needed"
    remedy = "Make room there, then run the same command again."


class LockHeldError(SafetyError):
    """Another run works on this server or medium, or may still work there."""

    kind = "lock"
    template = "{what} is locked since {since} by {owner}"
    remedy = "Wait for that run, or if it is gone for good, add --take-over REASON."


class FolderUnsafeError(SafetyError):
    """A folder of ours on a server is a link, or belongs to or is open to others."""

    kind = "folder-unsafe"
    template = "folder {path} on the server is not safe to use: {reason}"
    remedy = "Remove it, or give it to SYSTEM and Administrators only, then run the command again."
