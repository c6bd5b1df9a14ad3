"""Prefect's server: embedded in one command, or serving the flows of several sites.

``embedded`` starts the server as a child process and ``embedded_child`` is that process;
``application`` is its web application, ``settings`` holds Prefect's variables, and ``serve``
offers the flows to Prefect's pages.
"""
