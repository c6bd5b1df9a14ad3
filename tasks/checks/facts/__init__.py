"""The facts that a check judges, as frozen models by topic; a fact that is not known is None.

Reading order: topic.py (what every topic has), one module for each topic, gathered.py (all of them
in one model, and how the lines of the script ``read-server`` become topics).
"""
