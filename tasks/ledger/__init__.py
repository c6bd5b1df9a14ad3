"""What a side remembers between runs: chain, bundles, imports, decisions, runs.

One SQLite file in the state folder, written with ``synchronous=FULL``: what guards trust is
durable before anything that depends on it happens. Nothing that a bundle holds can write here
but through an import that was verified. Reading order: store.py (what is known of the side
itself), exports.py (staging side), imports.py (disconnected side), steps.py and runs.py (both).
schema.py has the tables and their migrations, work_id.py the names of runs and pieces of work.
"""
