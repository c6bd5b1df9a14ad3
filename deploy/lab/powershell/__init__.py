"""A lab server's ``powershell``: a real engine with the WSUS API in it, or a stand-in.

``DIR/<side>/powershell`` runs this package with that folder and the arguments that PowerShell
takes. The engine asks the rules of ``deploy.lab.rules`` over a pipe; the stand-in calls them.
"""
