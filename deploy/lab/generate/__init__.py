"""The making of a lab: its catalogue, content and folders, and the changes of each month.

``layout`` makes a lab and ``month`` lets a month pass; both take updates from ``catalogue``, which
takes ids from ``taxonomy`` and bytes from ``content_bytes``. ``launchers`` writes the programs.
"""
