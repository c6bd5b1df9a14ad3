"""Either side: prove a bundle, byte by byte, and change nothing."""

from __future__ import annotations

from tasks import media
from tasks.flow_run import story


@story("verify")
def verify_bundle(site: str, bundles: list[str]) -> None:
    """Prove that a bundle is whole, sealed by a trusted key, and holds nothing else.

    Args:
        site: Name of the site; its file says which keys are trusted.
        bundles: The bundle's folder; several are its volumes, or copies of it.
    """
    bundle = media.open_bundle(bundles)
    media.prove_bundle(bundle)
