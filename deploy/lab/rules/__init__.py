"""The behaviour of WSUS, written once, for ``wsusutil``, the PowerShell API and the stand-in.

Every function takes a ``Server`` first. A program opens it with ``opened_server``; the API calls
the functions by name through ``dispatch``. A docstring that begins with a member of the API names
the behaviour of that member; EVIDENCE.md has its source.

The product's scripts and ``wsusutil`` need ``approval_actions``, ``configuration``,
``content_agent``, ``groups``, ``ingest``, ``package_export``, ``scope``, ``update_search`` and
``windows``.

The other modules serve scripts of other people, which must run on the lab too. No script of ours
needs ``cleanup_wizard``, ``mail`` and ``revisions``. Of ``approval_rules``, ``categories``,
``subscription`` and ``update_files`` ours need only the list of rules, the categories below a
category, the facts and last synchronisation of a server, and the licence terms.
"""
