"""Where a content file lies, in the lab's own words."""

from __future__ import annotations

import re
from pathlib import Path

CONTENT_NAME = re.compile(r"[0-9A-F]{40}(\.[A-Za-z0-9]{1,8})?", re.IGNORECASE)
# WSUS's own file in the root of WsusContent, empty, for the check of the web server.
CHECK_FILE = "anonymousCheckFile.txt"


def content_name(sha1: str, file_name: str) -> str:
    """``<40 hex>.<ext>``, the extension as in the file's own name."""
    return sha1 + Path(file_name).suffix


def content_path(content_dir: Path, sha1: str, file_name: str) -> Path:
    """Where WSUS keeps a file: in the folder of its digest's last byte."""
    return content_dir / sha1[-2:] / content_name(sha1, file_name)
