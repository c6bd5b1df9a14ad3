"""Examples at the end of the help of each command, and what all of them end with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cyclopts import App

_RUNBOOK = Path(__file__).resolve().parents[2] / "deploy" / "README.md"
_CODES = """\
Exit codes: 0 done · 1 failed, run the same command again · 2 done, and something needs a look · \
3 refused for trust · 4 refused for safety · 64 a slip in the command or the site file."""
# Commands whose exit codes mean something else.
_OWN_CODES = {"explain": "Exit codes: 0 it is known · 1 nothing is known of it · 64 a slip."}
_END = f"""\
Every message, and what to do about it: {_RUNBOOK}
"""

# The first key is the program itself. A line's part before the dash is a command that can be run,
# with DIGEST as a refusal printed it.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "site check - what is wrong with the site file",
        "export - the next bundle onto the media",
        "import - the next bundle from the media",
        "status - where this side stands, and what to do next",
    ),
    "export": (
        "export - what the other side does not have yet",
        "export --rehearse - what would be carried, and what media it needs",
        "export --mode mirror - also plans what the other side is to delete",
        "export --bring shopping-list.json - with the files that the other side asks for",
    ),
    "sign": (
        "sign /media/crossing/alpha-12 --key keys/second.key - a second person signs",
        "sign alpha-12 --key second.key --passphrase-file passphrase - without a question",
    ),
    "verify": (
        "verify - the next bundle of the chain on the medium",
        "verify /media/crossing/alpha-12 - this bundle",
        "verify /media/disc1/alpha-12 /media/disc2/alpha-12 - its volumes, or copies of them",
    ),
    "import": (
        "import - the next bundle of the chain on the medium",
        "import /media/crossing/alpha-12 --rehearse - its whole plan; nothing is changed",
        "import /media/crossing/alpha-12 --confirm DIGEST - carry out the plan with that digest",
        "import --if-new - end with 0 if no new bundle has come, for schedules",
    ),
    "accept": (
        "accept /media/return/alpha-12.receipt.json - the receipt that came back",
        "accept 7K3M9-QXW2B-8CD4F-6HJC - its code, typed",
    ),
    "audit": (
        "audit - read the content again, apply what was parked and has come",
        "audit --all - name also the files that unapproved updates lack",
        "audit --adopt --rehearse - before the first import: what lies here already",
    ),
    "decide": (
        'decide KB5034441 accept-licence --reason "approved by legal"',
        'decide KB5034441 reject --reason "breaks the scanner" --group Servers/Test',
        'decide KB5034441 acknowledge --reason "waits for June" --until 2031-05-31',
        'decide KB5034441 --revoke --reason "the scanner was replaced"',
    ),
    "tidy": (
        "tidy --rehearse - what would be removed",
        "tidy - remove it",
    ),
    "catalog-import": (
        "catalog-import 6f1a2b3c-0000-4000-8000-1234567890ab - an update of the Catalog, by its id",
    ),
    "check": (
        "check - what keeps this side from a crossing",
        "check --firewall-export rules.txt - which domains of Microsoft a firewall does not name",
    ),
    "show": (
        "show /media/crossing/alpha-12 - who sealed it, when, and what it brings",
        "show /media/disc1/alpha-12 /media/disc2/alpha-12 - of several volumes",
    ),
    "status": (
        "status - chain, baseline, last runs, locks, and what to do next",
        "status --site /etc/wsus-airgap/beta.toml - of another site",
        "status --json - for a program",
    ),
    "held": (
        "held - what waits for a person, and the command that lets each go",
        "held --json - for a program",
    ),
    "parked": (
        "parked - which approvals wait for which files",
        "parked --json - for a program",
    ),
    "history": (
        "history - runs, chain with its gaps, who did what",
        "history --csv - the same as one table",
        "history --verify - prove the custody log",
    ),
    "probe": ("probe - read a real server, and compare it with what this program believes",),
    "explain": (
        "explain 0x80244019 - an error code",
        'explain "WsusService stopped with error 0x80131500" - a line of a log',
    ),
    "repair": (
        "repair strong-cryptography - show the plan, and ask",
        "repair strong-cryptography --confirm DIGEST - carry out the plan with that digest",
        "repair strong-cryptography --undo - put back the old values",
    ),
    "restore-deleted": ("restore-deleted 12 - what the import of bundle 12 deleted",),
    "up": (
        "up --sites /etc/wsus-airgap - all site files of that folder",
        "up --site site.toml - one site",
        "up --home /var/lib/wsus-airgap/up --print-address - the address that logs a browser in",
    ),
    "keygen": (
        "keygen keys - a signing key and a receipt secret in the folder keys",
        "keygen keys --encrypt - with a passphrase, which is asked for",
    ),
    "install-completion": (
        "install-completion - for the shell that runs this",
        "install-completion --shell powershell - for another",
    ),
    "backup": ("backup /srv/backup/alpha.zip - the state of this side; no private keys are in it",),
    "restore": ("restore /srv/backup/alpha.zip - into the empty state folder of the site file",),
    "site": (
        "site init - write a site file and keys; asks for what it needs",
        "site check - what is wrong with the site file",
        "site recover /media/crossing/alpha-12 - go on in the chain after the state was lost",
    ),
    "site init": (
        "site init - asks for what it needs",
        "site init --name alpha --side staging --media /media/crossing - without questions",
    ),
    "site check": (
        "site check - of ./site.toml",
        "site check --site /etc/wsus-airgap/beta.toml - of another one",
    ),
    "site recover": (
        "site recover /media/crossing/alpha-12 - show where the chain would go on",
        "site recover /media/crossing/alpha-12 --confirm DIGEST - go on there",
    ),
    "demo": (
        "demo - two months between a pair of simulated servers",
        "demo /tmp/demo --ui - in that folder, with Prefect's pages at the end",
        "demo --ssh - with both servers behind an sshd",
    ),
    "lab": (
        "lab create /tmp/lab - a pair of simulated servers",
        "lab advance /tmp/lab - a month passes on the staging server",
        "lab fault --list - what can go wrong there",
    ),
    "lab create": (
        "lab create /tmp/lab - a small pair",
        "lab create /tmp/lab --updates 3000 --bytes 2000000000 - a large one",
    ),
    "lab advance": ("lab advance /tmp/lab - a month passes on the staging server",),
    "lab fault": (
        "lab fault --list - all faults",
        "lab fault /tmp/lab disconnected disk-full on - set one",
        "lab fault /tmp/lab disconnected disk-full off - clear it",
    ),
    "lab state": ("lab state /tmp/lab staging - as JSON",),
    "lab catalog": ("lab catalog /tmp/lab - what the lab's Update Catalog has",),
    "lab serve": ("lab serve /tmp/lab - an sshd for both servers, until Ctrl-C",),
}


def give_examples(app: App) -> None:
    """Give the program, and each of its commands, the end of its help."""
    for name, lines in EXAMPLES.items():
        command = app
        for word in name.split():
            command = command[word]
        command.help_epilogue = _epilogue(lines, _OWN_CODES.get(name, _CODES))


def _epilogue(lines: tuple[str, ...], codes: str) -> str:
    shown = []
    for line in lines:
        call, dash, purpose = line.partition(" - ")
        shown.append(f"- `wsus-airgap {call}`{dash}{purpose}")
    examples = "\n".join(shown)
    return f"Examples:\n\n{examples}\n\n{codes}\n\n{_END}"
