"""The commands of ``wsus-airgap``, grouped as its help shows them."""
