"""The error reference of WSUS, and the reading of its log and events against it; pure.

Reading order: reference_entry.py (an entry of the reference), reference_*.py (the entries, by
topic), error_reference.py (all of them, and the search), evidence.py (a log line made safe to
show), software_distribution_log.py (the log as entries), log_signs.py (the entries of log and
event log that the reference knows). README.md has the whole reference as one table.
"""
