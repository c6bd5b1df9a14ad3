"""The product's version: what every bundle names, and what the wheel is built as."""

from __future__ import annotations

VERSION = "0.1.0"
