"""Single values of a ledger by name; only the ledger's own classes use them."""

from __future__ import annotations

import json
import sqlite3
from typing import Literal

from tasks.ledger.damage import reading

FactName = Literal[
    "owner",
    "machine",
    "chain",
    "staging_server",
    "disconnected_server",
    "content_dir",
    "latest_time",
    "lost_bundle",
    "missing_files",
    "paused_downloads",
    "rotation",
    "probe_failures",
]


def read_fact(connection: sqlite3.Connection, name: FactName) -> str | None:
    """Read a fact; None if it was never written."""
    with reading(connection):
        row = connection.execute("SELECT value FROM fact WHERE name=?", (name,)).fetchone()
        return None if row is None else str(json.loads(row[0]))


def write_fact(connection: sqlite3.Connection, name: FactName, value: str) -> None:
    """Write a fact, replacing an earlier value."""
    connection.execute(
        "INSERT INTO fact VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
        (name, json.dumps(value)),
    )


def write_fact_once(connection: sqlite3.Connection, name: FactName, value: str) -> str:
    """Write a fact unless it has a value already; return its value."""
    connection.execute(
        "INSERT INTO fact VALUES (?, ?) ON CONFLICT(name) DO NOTHING", (name, json.dumps(value))
    )
    return read_fact(connection, name) or value
