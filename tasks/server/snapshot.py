"""What a server was seen to be at one moment: facts, decisions, content. Made once, passed on."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.approvals.capture import ServerDecisions
from tasks.content.content_listing import ContentListing, ContentLookup
from tasks.content.names import ContentDigest
from tasks.metadata.audit import ContentView, Provenance, ProvenanceLookup
from tasks.metadata.closure import ContentChoice
from tasks.metadata.server import ServerFacts


@dataclass(frozen=True, slots=True)
class ServerSnapshot:
    """One server, looked at: what it says of itself, what was decided there, what lies there."""

    facts: ServerFacts
    decisions: ServerDecisions
    content: ContentListing

    @property
    def choice(self) -> ContentChoice:
        """Which files the server keeps, by its settings."""
        return content_choice(self.facts)

    def content_view(
        self, *, find: ContentLookup | None = None, provenance: ProvenanceLookup | None = None
    ) -> ContentView:
        """Its content as an audit looks at it."""
        return ContentView(
            choice=self.choice,
            find=find or self.content.find,
            provenance=provenance or _never_held,
        )


def content_choice(facts: ServerFacts) -> ContentChoice:
    """Which files a server with these settings keeps."""
    languages = None if facts.all_languages else frozenset(facts.languages)
    return ContentChoice(languages=languages, express=facts.download_express)


def _never_held(_: ContentDigest) -> Provenance:
    return Provenance.NEVER_HELD
