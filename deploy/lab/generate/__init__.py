"""Generates a lab: catalogue, content bytes, folders, and the changes of a month."""
