"""Who really sent a message: SPF, DKIM, ARC and DMARC over our own DNS resolver.

`evaluate.Authenticator` is the way in; `evidence.AuthenticationEvidence` is what comes out. Import the modules
directly: this package imports none of them, because the SPF and DNS libraries are slow to load.
"""

from __future__ import annotations

__all__: list[str] = []
