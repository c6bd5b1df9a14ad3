"""Saved filters of Prefect's page *Runs*, for the runs that a person looks for.

``Flagged`` is a kind of completed, so that the page counts it among what went well; its runs bear
the tag ``flagged``. The form of a filter is that of Prefect's page (3.8.8), which stores it by the
same call.
"""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import SyncPrefectClient

_DAY_SECONDS = 86_400
_SHOWN_DAYS = 90

FILTERS: dict[str, dict[str, list[str]]] = {
    "wsus-airgap: flagged": {"tag": ["flagged"]},
    "wsus-airgap: failed, refused, crashed": {"state": ["Failed", "Refused", "Crashed"]},
    "wsus-airgap: waiting": {"state": ["Waiting", "Suspended"]},
}


def require_saved_filters(client: SyncPrefectClient) -> None:
    """Create the saved filters, or put those of their names right."""
    for name, criteria in FILTERS.items():
        span = {"type": "span", "seconds": -_SHOWN_DAYS * _DAY_SECONDS}
        filters = [_filter(key, value) for key, value in (*criteria.items(), ("range", span))]
        client.request("PUT", "/saved_searches/", json={"name": name, "filters": filters})


def _filter(key: str, value: object) -> dict[str, Any]:
    return {"object": "flowRun", "property": key, "type": "", "operation": "", "value": value}
