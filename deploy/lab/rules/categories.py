"""Categories and classifications, and a server's subscription to them."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from deploy.lab.rules.server import RuleError, Server

_CATEGORIES = "kind IN ('category', 'product')"
_CLASSIFICATIONS = "kind = 'classification'"
# The lab's own settings: the ids that the subscription names; absent means all of them.
CATEGORIES_SETTING = "subscribed_categories"
CLASSIFICATIONS_SETTING = "subscribed_classifications"


class CategoryRow(NamedTuple):
    """One category or classification as the API shows it.

    Attributes:
        type: A name of ``UpdateCategoryType``; empty for a classification.
    """

    update_id: str
    title: str
    description: str
    arrived: str
    type: str


def all_categories(
    server: Server, arrived_from: str | None = None, arrived_to: str | None = None
) -> list[CategoryRow]:
    """``GetUpdateCategories``: companies, product families and products."""
    return _search(server, _CATEGORIES, arrived_from, arrived_to)


def all_classifications(
    server: Server, arrived_from: str | None = None, arrived_to: str | None = None
) -> list[CategoryRow]:
    """``GetUpdateClassifications``."""
    return _search(server, _CLASSIFICATIONS, arrived_from, arrived_to)


def get_category(server: Server, category_id: str) -> CategoryRow:
    """``GetUpdateCategory``; raises ``WsusObjectNotFoundException`` if there is none."""
    return _get(server, _CATEGORIES, category_id)


def get_classification(server: Server, classification_id: str) -> CategoryRow:
    """``GetUpdateClassification``; raises ``WsusObjectNotFoundException`` if there is none."""
    return _get(server, _CLASSIFICATIONS, classification_id)


def children(server: Server, category_id: str | None) -> list[CategoryRow]:
    """``GetSubcategories`` of a category; with None ``GetRootUpdateCategories``."""
    return [row for row, parent in _with_parents(server, _CATEGORIES, []) if parent == category_id]


def parent(server: Server, category_id: str) -> CategoryRow | None:
    """``GetParentUpdateCategory``."""
    for _, above in _with_parents(server, f"{_CATEGORIES} AND update_id = ?", [category_id]):
        return None if above is None else get_category(server, above)
    return None


def of_update(server: Server, update_id: str, revision: int) -> list[CategoryRow]:
    """``IUpdate.GetUpdateCategories``: the update's product and the categories above it."""
    row = server.connection.execute(
        "SELECT product_id FROM revision WHERE update_id = ? AND revision = ?",
        (update_id, revision),
    ).fetchone()
    ancestors = []
    current = None
    if row is not None and row["product_id"] is not None:
        current = get_category(server, row["product_id"])
    while current is not None:
        ancestors.append(current)
        current = parent(server, current.update_id)
    return ancestors


def below(marks: str) -> str:
    """A query for the ids of some categories and of all below; ``marks`` are their placeholders."""
    return (
        f"WITH RECURSIVE below (id) AS (SELECT update_id FROM revision WHERE update_id IN ({marks})"
        f" AND {_CATEGORIES} UNION SELECT update_id FROM revision JOIN below"
        f" ON json_extract(details, '$.parent') = id WHERE {_CATEGORIES}) SELECT id FROM below"
    )


def subscribed(server: Server, setting: str) -> list[CategoryRow]:
    """The rows that one setting of the subscription names; all if it was never set."""
    rows = (all_categories if setting == CATEGORIES_SETTING else all_classifications)(server)
    try:
        subscribed_ids = set(server.setting(setting))
    except KeyError:
        return rows
    return [row for row in rows if row.update_id in subscribed_ids]


def _search(
    server: Server, condition: str, arrived_from: str | None, arrived_to: str | None
) -> list[CategoryRow]:
    bounds = "(? IS NULL OR arrived >= ?) AND (? IS NULL OR arrived <= ?)"
    values = [arrived_from, arrived_from, arrived_to, arrived_to]
    return [row for row, _ in _with_parents(server, f"{condition} AND {bounds}", values)]


def _get(server: Server, condition: str, category_id: str) -> CategoryRow:
    for row, _ in _with_parents(server, f"{condition} AND update_id = ?", [category_id]):
        return row
    raise RuleError("WsusObjectNotFoundException", f"The category {category_id} was not found.")


def _with_parents(
    server: Server, condition: str, values: list[str | None]
) -> list[tuple[CategoryRow, str | None]]:
    rows = server.connection.execute(
        f"SELECT * FROM revision WHERE {condition} AND is_latest = 1 ORDER BY title, update_id",
        values,
    )
    return [_category_row(row) for row in rows]


def _category_row(row: sqlite3.Row) -> tuple[CategoryRow, str | None]:
    details = json.loads(row["details"])
    shown = CategoryRow(
        update_id=row["update_id"],
        title=row["title"],
        description=row["description"],
        arrived=row["arrived"],
        type=details.get("category_type", ""),
    )
    return shown, details.get("parent")
