"""Content files: their names, digests, where they lie, what is missing."""
