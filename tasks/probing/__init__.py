"""A real server compared with what we believe about WSUS; nothing on it is changed.

Reading order: beliefs.py (what we rely on, one function a belief), command.py (the command
``probe`` as a whole, and the file that a site can send).
"""
