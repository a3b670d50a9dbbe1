"""Signing in at an issuer (OpenID Connect Core 1.0, authorization code flow with PKCE)."""
