"""Content files: names, digests, scan, listing, copying, placing and deletion."""
