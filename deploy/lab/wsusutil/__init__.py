"""The simulated wsusutil.

``command`` is the program, ``package`` the metadata package with each update as ``update_xml``,
``log`` the logs, and ``text`` the sentences on standard output.
"""
