"""The word that ``up`` and its worker agree on, apart from both because one imports Prefect."""

from __future__ import annotations

STOP = b"stop\n"
STOP_SECONDS = 90.0
