"""The reasons for not applying a decision of the staging side now: a closed list of sentences."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The names of the reasons in JSON output; they never change."""

    CONTENT_MISSING = "content-missing"
    BUILT_IN_GROUP = "built-in-group"
    GROUP_LEFT_OUT = "group-left-out"
    GROUPS_DISAGREE = "groups-disagree"
    REVISION_UNKNOWN = "revision-unknown"
    EXPIRED = "expired"
    LICENCE_TERMS = "licence-terms"
    DEADLINE_PAST = "deadline-past"
    DEADLINE_NEAR = "deadline-near"
    DECLINE_WAITS = "decline-waits-for-successor"
    REMOVAL_WAITS = "removal-waits-for-successor"
    REJECTED = "rejected"
    LOCALLY_DECLINED = "locally-declined"
    LOCALLY_CHANGED = "locally-changed"
    LOCALLY_REMOVED = "locally-removed"
    LOCALLY_APPROVED = "locally-approved"
    LOCALLY_UNDECLINED = "locally-undeclined"

    @property
    def sentence(self) -> str:
        """The explanation for a person."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.CONTENT_MISSING: (
        "A file of the update, of an update bundled in it or of its licence terms is not in place; "
        "the approval is applied once the file has come."
    ),
    Reason.BUILT_IN_GROUP: (
        "The approval is for All Computers, Unassigned Computers or Downstream Servers, where "
        "staging servers often approve only to make files download. In the site file, [groups] "
        "all_computers or unassigned_computers lets it through ('apply', or the path of a group of "
        "this site), for Downstream Servers a line of [groups.map]."
    ),
    Reason.GROUP_LEFT_OUT: "The site file leaves this group out ([groups.map]).",
    Reason.GROUPS_DISAGREE: (
        "Groups of staging that are one group here ([groups.map]) have different approvals for "
        "this update; approve it alike on staging, or give the groups different paths."
    ),
    Reason.REVISION_UNKNOWN: "The server does not have this revision.",
    # Microsoft's description of IUpdate.Approve.
    Reason.EXPIRED: "The update is expired; WSUS accepts only Uninstall for it.",
    Reason.LICENCE_TERMS: (
        "Its licence terms are not accepted on this server; a person has to accept them."
    ),
    Reason.DEADLINE_PAST: (
        "Its deadline is past, which would mean to install now and to restart; set another one."
    ),
    Reason.DEADLINE_NEAR: (
        "Its deadline is nearer than the site allows, so machines could restart without warning; "
        "set a later one."
    ),
    Reason.DECLINE_WAITS: (
        "The updates that replace it are not approved here yet; declining it now would leave "
        "machines without either."
    ),
    Reason.REMOVAL_WAITS: (
        "The updates that replace it are not approved here yet; taking its approval away now "
        "would leave machines without either."
    ),
    Reason.REJECTED: "A person of this side decided never to apply it (`decide … reject`).",
    Reason.LOCALLY_DECLINED: "Somebody declined the update on this server.",
    Reason.LOCALLY_CHANGED: "Somebody set another approval for this group on this server.",
    Reason.LOCALLY_REMOVED: "Somebody took this approval away on this server.",
    Reason.LOCALLY_APPROVED: "Somebody approved the update on this server.",
    Reason.LOCALLY_UNDECLINED: "Somebody took the decline of this update back on this server.",
}
