"""Staging side: take the receipt that came back, and advance the baseline by it."""

from __future__ import annotations

from tasks import staging
from tasks.flow_run import story
from tasks.names import Side


@story("accept", side=Side.STAGING)
def accept_receipt(site: str, receipt: str) -> None:
    """Accept a receipt.

    Args:
        site: Name of the site that the receipt is for.
        receipt: Path of the receipt's file, or the short code that an operator typed.
    """
    accepted = staging.read_receipt(receipt)
    staging.advance_baseline(accepted)
