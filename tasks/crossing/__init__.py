"""One crossing, put together from the other packages, without Prefect.

Reading order: workplace.py (what a step works with), examining.py (the first look at a server),
then the staging side (draft.py, export.py) and the disconnected side (arrival.py, importing.py,
auditing.py). The modules staging, carrier and disconnected one level up make Prefect tasks of these
functions.
"""
