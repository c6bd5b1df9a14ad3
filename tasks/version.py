"""Version of the product; every bundle names it, and the wheel is built under it."""

from __future__ import annotations

VERSION = "0.1.0"
