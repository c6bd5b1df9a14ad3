"""The metadata package: made, loaded, read and compared with content.

Reading order: model.py (what a package holds), gunzip.py and package.py (how it is read), index.py
(what is kept of it), closure.py (which files a revision needs), audit.py (which of them miss).
"""
