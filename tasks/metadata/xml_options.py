"""The options of every XML parser, since all XML is untrusted."""

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
    # False keeps libxml2's limits: 256 levels, 10 MB for one text or attribute, and a limit on the
    # expansion of entities.
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
