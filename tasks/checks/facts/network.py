"""Probes from the WSUS server: names, ports, and the upstream server. They are hints, no proofs."""

from __future__ import annotations

from tasks.checks.facts.certificates import Certificate
from tasks.checks.facts.topic import Topic


class Probe(Topic):
    """A name that was looked up, and a port that was tried, from the WSUS server.

    Attributes:
        is_proxy: True if it is a proxy that WSUS is set to use.
        resolves, opens: None if Windows has no command for it.
    """

    name: str
    port: int
    is_proxy: bool
    resolves: bool | None = None
    opens: bool | None = None


class Network(Topic):
    """The probes of the endpoint, of downloads, and of the proxies that WSUS is set to use."""

    probes: tuple[Probe, ...]


class Upstream(Topic):
    """The upstream server as this one sees it, under the account of our scripts.

    Attributes:
        opens: True if its configured port takes connections.
        service: Answer of its ClientWebService under the configured scheme: a status of HTTP, or
            the name of a ``WebExceptionStatus``; None if nothing can be said.
        self_update: The same of ``selfupdate/iuident.cab`` over HTTP; None if its port is not
            known, which is so with HTTPS on a port of the site's own.
        certificate: The certificate that it shows on that port; None without HTTPS.
    """

    opens: bool | None = None
    service: str | None = None
    self_update: str | None = None
    certificate: Certificate | None = None
