"""The state of one simulated server, in one SQLite database.

``database`` has the schema. ``records`` are updates as the generator, the package and the database
exchange them; ``revision_store`` reads and writes them. ``groups`` and ``decisions`` generate the
work of administrators, and ``content_paths`` names the files of WsusContent.
"""
