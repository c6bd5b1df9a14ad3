"""The lab from the command line: its commands, and the demo that runs the product on it."""
