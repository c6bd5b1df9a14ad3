"""The metadata package: exported, imported, read, and compared with content.

Reading order: model.py (the parts of a package), gzip_stream.py and package.py (reading it),
index.py (the database made from it), catalogue.py (questions to that database), closure.py (the
files that a revision needs), audit.py (the files that are missing).
"""
