"""The check of a server, and the error reference of WSUS with its log and events read; pure.

Reading order: facts/ (what is known), rules/ (one question each), finding.py, judgement.py (all
rules asked), stopping.py (what stops which command). Beside it: reference_entry.py (an entry of the
reference), reference_*.py (the entries, by topic), error_reference.py (all of them, and the
search), evidence.py (a log line made safe to show), software_distribution_log.py (the log as
entries), log_signs.py (the entries of log and event log that the reference knows). README.md says
how a check works, and has the whole reference as one table.
"""
