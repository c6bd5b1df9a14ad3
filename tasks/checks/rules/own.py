"""Rules on this side's own state: age of the newest bundle, media."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding
from tasks.checks.rules.rule import DISCONNECTED, STAGING, Rule, rule
from tasks.metadata.wsusutil_process import READ_ONLY_VERB
from tasks.names import Side
from tasks.quantities import size


@rule("Age of the newest bundle")
def bundle_age(facts: Facts) -> Finding | None:
    """A lost bundle is named by the next import; until then its silence has to be noticed."""
    own = facts.own
    if own.newest_bundle is None:
        return None
    age = facts.now - own.newest_bundle
    if age <= timedelta(days=own.max_quiet_days):
        return None
    is_staging = facts.side is Side.STAGING
    imported = f", imported {own.newest_import:%Y-%m-%d}" if own.newest_import else ""
    return Finding(
        id="bundle-old",
        severity="failure",
        evidence=f"{own.newest_bundle_name}, made {own.newest_bundle:%Y-%m-%d}, {age.days} days "
        f"ago{imported}; trust.max_quiet_days = {own.max_quiet_days}",
        meaning="No bundle was made for longer than this site allows."
        if is_staging
        else "No newer bundle has arrived for longer than this site allows: it may be lost, or "
        "none was made.",
        next_step="Export the next bundle."
        if is_staging
        else "Ask the staging side for the newest bundle, and import it.",
    )


@rule("What we believe about WSUS: true of this server")
def beliefs(facts: Facts) -> Iterator[Finding]:
    """Differences that would break an export or an import, as a probe has found them."""
    for name, evidence in facts.own.probe_failures or ():
        yield Finding(
            id=name,
            severity="failure",
            evidence=evidence,
            meaning="This server differs from what this program believes about WSUS, so that a "
            "crossing would break.",
            next_step="Run `wsus-airgap probe`, and send its file to the authors of this program; "
            "it also looks whether the difference is still there.",
            document="deploy/lab/EVIDENCE.md",
        )


@rule("Medium: there and writable", sides=STAGING)
def medium(facts: Facts) -> Finding | None:
    """The place where the next bundle goes."""
    medium = known(facts.own.medium, "the medium")
    if not medium.is_there:
        problem = f"{medium.path} is not there"
    elif not known(medium.is_writable, "whether the medium is writable"):
        problem = f"{medium.path} cannot be written"
    else:
        return None
    return Finding(
        id="medium-unusable",
        severity="warning",
        evidence=problem,
        meaning="The medium for the next bundle is not plugged in, not mounted, or "
        "write-protected.",
        next_step="Plug it in and mount it at media.path before the next export.",
    )


@rule("Medium: there", sides=DISCONNECTED)
def no_medium(facts: Facts) -> Finding | None:
    """Between two crossings no medium is there, which is normal."""
    medium = known(facts.own.medium, "the medium")
    if medium.is_there:
        return None
    return Finding(
        id="medium-absent",
        severity="note",
        evidence=f"{medium.path} is not there",
        meaning="No medium is mounted; that is normal between two crossings.",
        next_step="Mount the medium at media.path before the next import.",
    )


@rule("Room on the medium", sides=STAGING)
def medium_room(facts: Facts) -> Finding | None:
    """The newest bundle is the only measure there is before the next one is planned."""
    medium = known(facts.own.medium, "the medium")
    free_bytes = known(medium.free_bytes, "the room on the medium")
    carried_bytes = known(facts.own.carried_bytes, "the size of an earlier bundle")
    if free_bytes >= carried_bytes:
        return None
    return Finding(
        id="medium-room",
        severity="warning",
        evidence=f"{size(free_bytes)} free; the newest bundle carried {size(carried_bytes)}",
        meaning="The medium has less room than the newest bundle needed.",
        next_step="Make room on it, take a larger one, or set media.volume_bytes to use several.",
    )


@rule("Mark on the server against the state folder")
def mark_agrees(facts: Facts) -> Finding | None:
    """The mark and the ledger tell each other's loss."""
    problem = facts.own.mark_problem
    if problem is None:
        return None
    return Finding(
        id="mark-differs",
        severity="failure" if problem.is_refused else "warning",
        evidence=problem.sentence,
        meaning="The mark on the server and the state folder do not agree on the newest bundle.",
        next_step=problem.next_step,
    )


@rule("Keys: the trusted ones are the other side's")
def own_key(facts: Facts) -> Finding | None:
    """A side that trusts its own key accepts its own bundles as those of the other side."""
    own = known(facts.own.fingerprint, "the fingerprint of this side's key")
    if own not in facts.own.trusted:
        return None
    return Finding(
        id="own-key-trusted",
        severity="failure",
        evidence=f"trust.trusted_keys holds this side's own key, fingerprint {own}",
        meaning="This side would accept what it sealed itself as if the other side had made it.",
        next_step="Put the other side's public key there, and compare its fingerprint over the "
        "telephone.",
    )


@rule("Installed scripts: those of this version")
def scripts(facts: Facts) -> Finding | None:
    """A site can install and sign our scripts; each of them is then proved before it runs."""
    wrong = facts.own.wrong_scripts
    if not wrong:
        return None
    return Finding(
        id="scripts-differ",
        severity="failure",
        evidence=f"missing, or of another version: {', '.join(wrong)}",
        meaning="Scripts in server.scripts_dir are not those of this version; what needs them is "
        "refused.",
        next_step="Install the scripts of this version on the server again.",
    )


@rule("wsusutil: there")
def wsusutil_there(facts: Facts) -> Finding | None:
    """Exports and imports of metadata are its work."""
    if known(facts.own.has_wsusutil, "the program wsusutil"):
        return None
    return Finding(
        id="wsusutil-missing",
        severity="failure",
        evidence=f"server.wsusutil = {facts.own.wsusutil}: not there",
        meaning="The program wsusutil is not where the site file says, so that no metadata can be "
        "exported or imported.",
        next_step="Set server.wsusutil in the site file to WsusUtil.exe of the WSUS server "
        "(`C:\\Program Files\\Update Services\\Tools\\WsusUtil.exe` by default).",
    )


@rule("wsusutil: answers")
def wsusutil_answers(facts: Facts) -> Finding | None:
    """A program that is there can still lack rights, its configuration or its database."""
    answer = known(
        facts.own.wsusutil_answer,
        "an answer of wsusutil (asked by the command `check` alone, not beside another wsusutil or "
        "while WsusService is stopped, and for two minutes)",
    )
    if answer.exit_code == 0:
        return None
    how = "was not started" if answer.exit_code is None else f"exit code {answer.exit_code}"
    return Finding(
        id="wsusutil-fails",
        severity="warning",
        evidence=f"`wsusutil {READ_ONLY_VERB}`: {how}: {answer.last_line}".rstrip(": "),
        meaning="The program wsusutil is there and does not work for this account, so that an "
        "export or import of metadata will probably fail.",
        next_step=f"Run `WsusUtil.exe {READ_ONLY_VERB}` on the server as the same account; it "
        "needs a local administrator, and the database of WSUS.",
    )


@rule("wsusutil at work: none")
def wsusutil(facts: Facts) -> Finding | None:
    """Beside a wsusutil the service may be stopped, and the API says little."""
    at_work = known(facts.own.at_work, "the processes of the server")
    if not at_work:
        return None
    return Finding(
        id="wsusutil-at-work",
        severity="note",
        evidence="; ".join(at_work),
        meaning="A wsusutil works on the server; while an import works, the service is stopped.",
        next_step="Let it end, then check again.",
    )


RULES: tuple[Rule, ...] = (
    scripts,
    own_key,
    mark_agrees,
    bundle_age,
    beliefs,
    medium,
    medium_room,
    no_medium,
    wsusutil_there,
    wsusutil_answers,
    wsusutil,
)
