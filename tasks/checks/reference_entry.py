"""An entry of the error reference: how it is recognised, and what to say about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Severity(IntEnum):
    """The weight of an entry; a graver one has the lower number, so that it sorts first."""

    FAILURE = 0
    WARNING = 1
    NOTE = 2


Depth = Literal["cause", "symptom"]
"""``cause`` names what to mend; ``symptom`` says that something failed, and a cause lies below."""

ARTICLE = "racknotes.pro, WSUS Sync Failed"
SOAP_ARTICLE = "Microsoft Learn, WSUS synchronization fails with SoapException (KB 4482416)"
IMPORT_ARTICLE = "Microsoft Learn, Troubleshoot WSUS synchronization and import issues"
CONFIGURE_ARTICLE = "Microsoft Learn, Step 2: Configure WSUS"
PLAN_ARTICLE = "Microsoft Learn, Plan your WSUS deployment"
POOL_ARTICLE = "Microsoft Learn, WSUS messages and troubleshooting tips; events of WAS: observed"
ISSUES_ARTICLE = "Microsoft Learn, Issues with Synchronization (dd939855)"
DISCONNECTED_ARTICLE = "Microsoft Learn, Synchronize updates with no Internet connection"
ERROR_ENUM = "Microsoft Learn, SynchronizationError Enumeration (ms752765)"
EVENT_TEXTS = "Event ids and English texts in the WSUS 10.0.14393 assemblies"
DOWNLOAD_ARTICLE = "racknotes.pro, WSUS Not Downloading Updates"
SPECTER = "SpecterOps, WSUS deck at Black Hat USA 2026"
PATCH_MY_PC = "Patch My PC, knowledge base on WSUS content"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the Application log, source Windows Server Update Services.

    Attributes:
        id: Its number.
        text: The English text, or a sentence of ours where the assemblies have none.
    """

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class SyncError:
    """A value of the API's ``SynchronizationError``.

    Attributes:
        value: Its number.
        name: Its name.
        text: Its meaning.
    """

    value: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One row of the error reference.

    Attributes:
        id: Lower-case words and dashes; unique. A finding of this kind carries it.
        symptom: What a person or a log shows, in a few words.
        severity: Its weight on a server that is meant to work.
        depth: Whether it names a cause or a symptom.
        seen_in: The log, console or command where it shows.
        meaning: What it says.
        first_check: What to look at first.
        do_not_conclude: The mistake that others made here.
        source: The document that this rests on.
        codes: HRESULTs, unsigned.
        http: HTTP status codes.
        events: Events of the Application log.
        sync_errors: Values of ``SynchronizationError``.
        phrases: Parts of messages, English and German. `` … `` stands for up to 80 characters;
            capitals, quotation marks and amounts of blanks do not matter.
        questions: The same for what a person types; never looked for in logs.
    """

    id: str
    symptom: str
    severity: Severity
    depth: Depth
    seen_in: str
    meaning: str
    first_check: str
    do_not_conclude: str
    source: str
    codes: tuple[int, ...] = ()
    http: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    sync_errors: tuple[SyncError, ...] = ()
    phrases: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
