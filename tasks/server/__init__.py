"""Work with one WSUS server: queries, checks, content scan, wsusutil, mark, clean-up, status."""
