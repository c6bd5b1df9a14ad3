"""Repairs of a server's settings that findings of a check offer.

Reading order: plan.py (what each repair would change, and its digest), carry_out.py (the changes
on the server, and the synchronisation that is watched), reset.py (``wsusutil reset`` and its end),
command.py (the command as a whole).
"""
