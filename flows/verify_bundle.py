"""Either side: prove a bundle byte by byte, and change nothing."""

from __future__ import annotations

from prefect import State, flow

from tasks import media
from tasks.flow_run import open_run
from tasks.reports.model import CommandReport


@flow(name="verify", flow_run_name="{site} verify", persist_result=False)
def verify_bundle(site: str, bundles: list[str]) -> State[CommandReport]:
    """Prove that a bundle is whole, sealed by a trusted key, and holds nothing else.

    Args:
        site: Name of the site; its file names the trusted keys.
        bundles: The bundle's folder; several are its volumes, or copies of it.
    """
    with open_run("verify", site) as run:
        bundle = media.open_bundle(bundles)
        media.prove_bundle(bundle)
    return run.final_state()
