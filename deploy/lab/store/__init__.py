"""The state of one simulated server, in one SQLite database."""
