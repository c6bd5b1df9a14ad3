"""What every XML parser here is made with, whoever wrote the XML."""

from __future__ import annotations

from typing import TypedDict


class Guards(TypedDict):
    """Keyword arguments of lxml's parsers."""

    resolve_entities: bool
    no_network: bool
    load_dtd: bool
    huge_tree: bool
    remove_comments: bool
    remove_pis: bool


GUARDS = Guards(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    # Off: libxml2 then stops at 256 levels, at 10 MB of one text or attribute, and at entities
    # that grow.
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
