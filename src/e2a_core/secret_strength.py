"""How hard a secret is to guess, for the secrets that production refuses."""

from __future__ import annotations

__all__ = ["MIN_BYTES", "weakness"]

MIN_BYTES = 32
"""RFC 2104 section 3: a key shorter than the output of the hash weakens the HMAC."""
MIN_GUESSES_LOG10 = 25.0
"""80 bits. 16 random octets in hex are estimated at 28 and more, repeated words at less than 20."""
ESTIMATED_CHARS = 72
"""The estimate takes quadratic time, and a secret whose start is strong is strong."""

_PUBLISHED = (
    "change-me",
    "change_me",
    "changeme",
    "change-this",
    "change_this",
    "changethis",
    "replace-me",
    "replace_me",
    "replaceme",
    "replace-this",
    "replace_this",
    "placeholder",
    "insecure",
    "do-not-use",
    "example-secret",
    "example_secret",
    "default-secret",
    "dev-secret",
    "dev_secret",
    "development-secret",
    "test-secret",
    "super-secret",
    "super_secret",
    "supersecret",
    "your-",
    "your_",
    "yoursecret",
    "secret-here",
    "secret_here",
    "correct horse battery",
    "correct-horse-battery",
    "correcthorsebattery",
    "lorem ipsum",
    "quick brown fox",
    "to be or not to be",
)
"""Parts of secrets that stand in documentation and templates, where everybody can read them."""
_PLACEHOLDERS = frozenset("<>{}$")
"""Characters of templates: `<secret>`, `${SECRET}`, `{{ secret }}`."""


def weakness(secret: str) -> str | None:
    """Returns what is wrong with a secret, to follow its name, or None when it is strong."""
    lowered = secret.lower()
    if any(part in lowered for part in _PUBLISHED) or _is_template(lowered):
        return "must not be a placeholder or a secret that was published"
    if len(secret.encode()) < MIN_BYTES:
        return f"must be at least {MIN_BYTES} bytes in production"
    # Loading the word lists takes a tenth of a second, which only production pays.
    from zxcvbn import zxcvbn

    if zxcvbn(secret[:ESTIMATED_CHARS])["guesses_log10"] < MIN_GUESSES_LOG10:
        return "is too easy to guess: make one with `openssl rand -hex 32`"
    return None


def _is_template(secret: str) -> bool:
    return secret[:1] in _PLACEHOLDERS and secret[-1:] in _PLACEHOLDERS
