"""The proxy of the machine (WinHTTP), which is context beside the proxy of WSUS."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.checks.facts.topic import Topic


class WinHttp(Topic):
    """Output of ``netsh winhttp show proxy``, in the server's language; no rule judges it."""

    text: Annotated[str, Field(max_length=8_192)] | None = None
