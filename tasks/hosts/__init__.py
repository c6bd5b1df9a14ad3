"""Machines behind one protocol. Read host.py first: its docstrings are the contract."""
