"""Three things beside the product: its installation, Prefect's server, and the lab.

``run.py`` and ``lock.py`` install it, ``prefect_server`` runs Prefect's server for it, ``lab``
simulates two WSUS servers, and ``demo`` is the lab's command line. README.md here is the runbook.
"""
