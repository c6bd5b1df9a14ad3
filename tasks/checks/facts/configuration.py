"""The configuration of a WSUS server as far as its synchronisation depends on it."""

from __future__ import annotations

from tasks.checks.facts.topic import Topic


class Configuration(Topic):
    """Properties of ``IUpdateServerConfiguration``, in the order of the report's table.

    The first fifteen are those that Microsoft's and other guides read first.
    """

    sync_from_microsoft_update: bool
    is_replica_server: bool
    mu_url: str | None = None
    redirector_change_number: int | None = None
    upstream_wsus_server_name: str | None = None
    upstream_wsus_server_port_number: int | None = None
    upstream_wsus_server_use_ssl: bool | None = None
    use_proxy: bool | None = None
    proxy_name: str | None = None
    proxy_server_port: int | None = None
    anonymous_proxy_access: bool | None = None
    has_proxy_password: bool | None = None
    use_separate_proxy_for_ssl: bool | None = None
    ssl_proxy_name: str | None = None
    ssl_proxy_server_port: int | None = None
    allow_proxy_credentials_over_non_ssl: bool | None = None
    host_binaries_on_microsoft_update: bool | None = None
    get_content_from_mu: bool | None = None

    @property
    def upstream(self) -> str | None:
        """Name of the upstream server; None if the server synchronises from Microsoft Update."""
        return None if self.sync_from_microsoft_update else self.upstream_wsus_server_name

    @property
    def uses_proxy_for_https(self) -> bool:
        """True if the synchronisation goes through a proxy."""
        return bool(self.use_proxy or self.use_separate_proxy_for_ssl)
