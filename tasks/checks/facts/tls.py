"""Settings of the machine for TLS: the cipher policy, and the .NET Framework's own."""

from __future__ import annotations

from tasks.checks.facts.topic import RegistryNumber, RegistryText, Topic


class Tls(Topic):
    """Settings of TLS in the registry. A value that cannot be read is None.

    Attributes:
        cipher_suite_policy: ``Functions`` of group policy's SSL Cipher Suite Order, as it stands
            there: names with commas between; ``not set`` without a policy.
        strong_crypto: ``SchUseStrongCrypto`` of the 64-bit .NET Framework 4.
        strong_crypto_32: The same of the 32-bit one.
        system_default_tls_versions: ``SystemDefaultTlsVersions`` of the 64-bit .NET Framework 4.
        system_default_tls_versions_32: The same of the 32-bit one.
    """

    cipher_suite_policy: RegistryText | None = None
    strong_crypto: RegistryNumber | None = None
    strong_crypto_32: RegistryNumber | None = None
    system_default_tls_versions: RegistryNumber | None = None
    system_default_tls_versions_32: RegistryNumber | None = None

    @property
    def cipher_suites(self) -> tuple[str, ...] | None:
        """The suites that the policy allows, in its order; None without a policy."""
        policy = self.cipher_suite_policy
        if policy is None or policy == "not set" or not policy.strip():
            return None
        return tuple(suite.strip() for suite in policy.split(",") if suite.strip())
