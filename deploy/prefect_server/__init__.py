"""Prefect's server: embedded in one command, or serving the flows of several sites."""
