"""Report of a run, for people and programs: one model, shown in several forms.

Reading order: model.py (the report), sections.py (the tables that steps add), summary.py (sentences
and tables derived from a finished report), text.py (foreign text made harmless), then one module
for each form: terminal.py, markdown.py (Prefect's UI), html.py, tables.py (CSV and the shopping
list), files.py (all files of a report in the state folder). known_errors.py maps errors of Python
and SQLite to ours.
"""
