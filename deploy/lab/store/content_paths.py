"""The names of content files, written without code of the product."""

from __future__ import annotations

import re
from pathlib import Path

CONTENT_NAME = re.compile(r"[0-9A-F]{40}(\.[^.\\/]{1,40})?", re.IGNORECASE)
# An empty file that WSUS puts in the root of WsusContent, for its check of the web server.
CHECK_FILE = "anonymousCheckFile.txt"


def content_name(sha1: str, file_name: str) -> str:
    """The name ``<40 hex>.<ext>`` of a content file, with the extension of the file's own name."""
    return sha1 + Path(file_name).suffix


def content_path(content_dir: Path, sha1: str, file_name: str) -> Path:
    """The path of a file in WsusContent: in the folder named after its digest's last byte."""
    return content_dir / sha1[-2:] / content_name(sha1, file_name)
