"""What people and programs read about a run: one model, shown in several ways.

Reading order: model.py (the report), sections.py (the tables that steps add), summary.py (what
follows from a finished report), text.py (foreign text made harmless), then one module a reader:
terminal.py, markdown.py (Prefect's UI), html.py, tables.py (CSV and the shopping list), files.py
(all of them beside each other in the state folder).
"""
