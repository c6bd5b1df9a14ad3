"""What a side remembers between runs: chain, bundles, imports, decisions, runs.

One SQLite file in the state folder, written with ``synchronous=FULL``: what guards trust is
durable before anything that depends on it happens. Nothing that a bundle holds can write here
but through an import that was verified. Reading order: store.py, then exports.py (staging side),
imports.py (disconnected side), runs.py (both).
"""
