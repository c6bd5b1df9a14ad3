"""One crossing, put together from the other packages, without Prefect.

The modules staging, carrier and disconnected one level up make Prefect tasks of these functions.

A run: workplace.py (what a step works with), scratch.py, trust.py, closing.py (its report),
leftovers.py (what a killed run left), standing.py (``status``).
A server: asking.py (our scripts), examining.py (the first look), view.py, listing.py and proving.py
(its content), wsusutil_run.py.
Staging side: draft.py (which sequence number), export.py (package, plan, seal), describing.py,
accepting.py (receipts).
Disconnected side: arrival.py (open, unpack, prove), fitting.py and mark.py (does it fit),
importing.py (plan, place, load, apply), deciding.py and confirming.py (approvals), deleting.py
(a mirror), auditing.py and finishing.py (what misses, the receipt), holdings.py (the manifest).
"""
