"""The product's version, as every bundle names it."""

from __future__ import annotations

VERSION = "0.1.0"
