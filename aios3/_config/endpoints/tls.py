"""TLS context with verification always on; a thread loads its trust store."""

from __future__ import annotations

import ssl

from aios3._concurrency.threads import in_library_thread
from aios3.errors import ConfigurationError

__all__ = ["make_ssl_context"]


async def make_ssl_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Make a verifying client context that trusts ``ca_bundle`` (a PEM file), or the system's store.

    A thread loads the trust store, because that reads files and parses hundreds of certificates.

    Raises:
        ConfigurationError: the bundle cannot be read or holds no certificate.
    """
    return await in_library_thread(_build_context, ca_bundle)


def _build_context(ca_bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the CA bundle {ca_bundle!r} (AWS_CA_BUNDLE, or ca_bundle of the profile) cannot be used: {error}"
        ) from error
    # The transport speaks only HTTP/1.1, and some stores choose HTTP/2 for a client without ALPN.
    context.set_alpn_protocols(["http/1.1"])
    return context
