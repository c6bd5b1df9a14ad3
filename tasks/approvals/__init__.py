"""Decisions about updates: captured from one server, planned and applied on another.

``model`` defines a decision, ``capture`` reads the decisions of a server, ``plan`` compares three
sides and decides (pure), and ``apply`` turns a plan into operations and their outcomes into the
state that the next import starts from.
"""
