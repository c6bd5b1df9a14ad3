"""Knobs of the proxy that WSUS uses."""

from __future__ import annotations

from deploy.lab.knobs.knob import Failure, Knob

_PROXY = {"UseProxy": True, "ProxyName": "proxy.example", "ProxyServerPort": 8080}
_AUTHENTICATION = {
    "en": "WebException: The remote server returned an error: (407) Proxy Authentication Required.",
    "de": "WebException: Der Remoteserver hat einen Fehler zurückgegeben: (407) "
    "Proxyauthentifizierung erforderlich.",
}
_NOT_RESOLVED = {
    "en": "WebException: The remote name could not be resolved: 'tls-proxy.example'",
    "de": "WebException: Der Remotename konnte nicht aufgelöst werden: 'tls-proxy.example'",
}
_NAMELESS = {
    "en": "WebException: The proxy name could not be resolved: ''",
    "de": "WebException: Der Proxyname konnte nicht aufgelöst werden: ''",
}

KNOBS: dict[str, Knob] = {
    "proxy": Knob("WSUS goes through a proxy, which works", _PROXY),
    "proxy-407": Knob(
        "the proxy refuses the credentials of WSUS",
        {**_PROXY, "AnonymousProxyAccess": False, "HasProxyPassword": True},
        Failure("ProxyError", _AUTHENTICATION),
    ),
    "proxy-separate": Knob(
        "WSUS has a separate proxy for HTTPS, which is not there",
        {
            **_PROXY,
            "UseSeparateProxyForSsl": True,
            "SslProxyName": "tls-proxy.example",
            "SslProxyServerPort": 8443,
        },
        Failure("ProxyError", _NOT_RESOLVED),
    ),
    "proxy-nameless": Knob(
        "WSUS is to go through a proxy that has no name",
        {**_PROXY, "ProxyName": ""},
        Failure("ProxyError", _NAMELESS),
    ),
    "proxy-unresolved": Knob(
        "since the last synchronisation the name of the proxy is not resolved",
        {**_PROXY, "machine.unresolved_names": ["proxy.example"]},
    ),
    "proxy-basic": Knob(
        "WSUS may send the proxy's password in clear text",
        {**_PROXY, "AllowProxyCredentialsOverNonSsl": True},
    ),
}
