"""Snapshot of one server: its facts, its decisions and its content at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.approvals.capture import ServerDecisions
from tasks.bundle.header import StagingFacts
from tasks.content.content_listing import ContentListing, ContentLookup
from tasks.metadata.audit import ContentView, ProvenanceLookup
from tasks.metadata.closure import ContentChoice
from tasks.metadata.server import ServerFacts


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One server at one moment; made once and passed on.

    Attributes:
        facts: Answers of the server about itself.
        decisions: Groups, approvals and declines on the server.
        content: Listing of its WsusContent.
    """

    facts: ServerFacts
    decisions: ServerDecisions
    content: ContentListing

    @property
    def choice(self) -> ContentChoice:
        """Rule by which the server's settings choose the files that it keeps."""
        return content_choice(self.facts)

    def content_view(
        self,
        *,
        provenance: ProvenanceLookup,
        find: ContentLookup | None = None,
        staging: ContentChoice | None = None,
    ) -> ContentView:
        """Return the content as an audit reads it; ``staging`` as in ``ContentView``."""
        return ContentView(
            choice=self.choice,
            find=find or self.content.find,
            provenance=provenance,
            staging=staging,
        )


def content_choice(facts: ServerFacts | StagingFacts) -> ContentChoice:
    """Return the rule by which a server's settings choose the files that it keeps."""
    languages = None if facts.all_languages else frozenset(facts.languages)
    return ContentChoice(languages=languages, express=facts.download_express)
