"""All that one run of a command has open, and how the run ends."""
