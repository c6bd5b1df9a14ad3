"""The simulated wsusutil: its command, its package, its log and its wording."""
