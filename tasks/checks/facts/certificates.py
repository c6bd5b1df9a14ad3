"""Certificates in the stores of the machine, and the one that WSUS serves HTTPS with."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from tasks.checks.facts.topic import Topic


class Certificate(Topic):
    """A certificate as Windows shows it.

    Attributes:
        subject, issuer: Distinguished names, like ``CN=wsus01.example, O=Example``.
        names: DNS names of the subject alternative name, else of the subject.
    """

    subject: str
    issuer: str
    not_before: AwareDatetime | None = None
    not_after: AwareDatetime | None = None
    names: tuple[str, ...] = ()

    @property
    def is_self_signed(self) -> bool:
        """True if issuer and subject are the same, as in a root certificate."""
        return self.subject.casefold() == self.issuer.casefold()

    def fits(self, name: str) -> bool:
        """True if a host's name is one of the names; ``*`` stands for one label."""
        labels = name.casefold().split(".")
        return any(_fits(pattern.casefold().split("."), labels) for pattern in self.names)


def _fits(pattern: list[str], labels: list[str]) -> bool:
    if pattern[:1] == ["*"] and len(pattern) > 1:
        return len(pattern) == len(labels) and pattern[1:] == labels[1:]
    return pattern == labels


class StoredCertificate(Certificate):
    """A certificate in a store of the machine.

    Attributes:
        store: ``My`` is Personal, ``CA`` Intermediate Certification Authorities, ``Root`` Trusted
            Root Certification Authorities.
    """

    store: Literal["My", "CA", "Root"]
    thumbprint: str
    has_private_key: bool | None = None


class Certificates(Topic):
    """The stores of the machine, and the settings of WSUS for HTTPS.

    Attributes:
        uses_ssl: True if ``wsusutil configuressl`` was run on this server.
        configured_name: The name that it was run with.
        bound: Thumbprint of the certificate that IIS serves the site of WSUS with; ``none`` if the
            site has no binding for HTTPS.
    """

    stored: tuple[StoredCertificate, ...]
    uses_ssl: bool | None = None
    configured_name: str | None = None
    bound: str | None = None

    def in_store(self, store: str) -> tuple[StoredCertificate, ...]:
        """The certificates of a store."""
        return tuple(certificate for certificate in self.stored if certificate.store == store)

    def missing_issuer(self, certificate: Certificate) -> str | None:
        """Name of the first issuer on the way to a trusted root that no store has.

        None if the way ends at a certificate of Trusted Root. No network is used, and names alone
        are followed: signatures and revocation are Windows' own matter.
        """
        roots = {root.subject.casefold() for root in self.in_store("Root")}
        issuers = {issuer.subject.casefold(): issuer for issuer in self.in_store("CA")}
        current: Certificate = certificate
        for _ in range(len(self.stored) + 1):
            issuer = current.issuer.casefold()
            if issuer in roots:
                return None
            if issuer not in issuers or current.is_self_signed:
                return current.issuer
            current = issuers[issuer]
        return current.issuer
