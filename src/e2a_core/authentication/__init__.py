"""Authenticates the sender of a message with SPF, DKIM, ARC and DMARC over a caching DNS resolver.

`evaluate.Authenticator` produces an `evidence.AuthenticationEvidence`. Import the modules directly: the package
itself imports none of them, because the SPF and DNS libraries are slow to load.
"""

from __future__ import annotations

__all__: list[str] = []
