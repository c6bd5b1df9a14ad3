"""Prefect's server: embedded in one command, or ``up``, which serves all sites of a machine.

``embedded`` starts the server as a child process and ``embedded_child`` is that process;
``application`` is its web application, ``settings`` holds Prefect's variables, and ``connection``
is how a process of ours uses a server. ``up`` adds ``machine`` (its home), ``deployments``,
``schedules``, ``heartbeat`` (the automation), and ``worker`` with its process ``worker_child``.
"""
