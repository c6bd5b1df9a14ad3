"""The rules of the simulated server, written once.

``wsusutil``, the PowerShell module (over a pipe) and the stand-in all act through a ``Server``.
"""
