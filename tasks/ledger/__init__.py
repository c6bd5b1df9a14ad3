"""The memory of a side between runs: its chain, bundles, imports, decisions and runs.

It is one SQLite file in the state folder, written with ``synchronous=FULL``, because a record that
guards trust must be durable before any act that depends on it. Data of a bundle is written here
only after the bundle is verified.

Reading order: store.py (the ledger and the facts of the side), exports.py (staging side),
imports.py (disconnected side), steps.py and runs.py (both sides). schema.py has the tables and
their migrations, work_id.py the names of runs and pieces of work.
"""
