"""A lab server's ``powershell``: a real engine with the WSUS API, or a stand-in.

``DIR/<side>/powershell`` runs this package with that folder and the arguments of PowerShell.
``launcher`` starts the engine with the ``environment`` of Windows, after ``command_line`` has
adapted the arguments and ``assembly`` has compiled the API from ``types``; ``modules`` holds the
cmdlets. The API asks the rules of ``deploy.lab.rules`` over a pipe. ``stand_in`` calls the same
rules directly, for the product's own scripts only.
"""
