"""The upkeep of a side over years: retention, and its state saved and brought back."""
