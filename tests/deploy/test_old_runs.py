"""The embedded server's database is set aside when it is old, and never under another command."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.prefect_server.embedded_child import DATABASE
from deploy.prefect_server.old_runs import set_old_runs_aside

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def make_database(home: Path, rows: int) -> Path:
    home.mkdir(exist_ok=True)
    path = home / DATABASE
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE run (id)")
        database.executemany("INSERT INTO run VALUES (?)", [(n,) for n in range(rows)])
    return path


def test_a_database_that_was_begun_long_ago_is_set_aside_whole(tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    assert not set_old_runs_aside(home, days=180, now=NOW)  # begun now
    database = make_database(home, rows=5)

    assert not set_old_runs_aside(home, days=180, now=NOW + timedelta(days=179))
    assert set_old_runs_aside(home, days=180, now=NOW + timedelta(days=180))

    assert not database.exists()
    with closing(sqlite3.connect(home / f"{DATABASE}.old")) as old:
        assert old.execute("SELECT count(*) FROM run").fetchone() == (5,)
    make_database(home, rows=1)
    assert not set_old_runs_aside(home, days=180, now=NOW + timedelta(days=200))


def test_a_database_in_use_stays(tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    set_old_runs_aside(home, days=1, now=NOW)
    database = make_database(home, rows=1)
    with closing(sqlite3.connect(database)) as other:
        other.execute("SELECT count(*) FROM run").fetchone()

        assert not set_old_runs_aside(home, days=1, now=NOW + timedelta(days=9))

    assert database.exists()


def test_a_database_of_an_older_version_is_young(tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    make_database(home, rows=1)

    assert not set_old_runs_aside(home, days=1, now=NOW)
    assert not set_old_runs_aside(home, days=1, now=NOW + timedelta(hours=23))
    assert set_old_runs_aside(home, days=1, now=NOW + timedelta(days=1))
