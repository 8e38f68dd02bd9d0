"""Secrets at rest: sealed with a key that the database does not hold.

Owns how second-factor secrets are encrypted before they are stored. Must not know Django or where
the product's secret comes from. Invariant: a copy of the database alone opens nothing.

Source: RFC 5869 (HKDF); Fernet as specified by the `cryptography` package.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from largesse.money.errors import DomainError


class BadSeal(DomainError):
    """The text was not sealed with this key: another secret is configured, or it was altered."""

    code = "bad_seal"


class Seal:
    """Encrypts and authenticates short texts for one purpose, under a key derived for it alone."""

    def __init__(self, secret: str, purpose: str) -> None:
        derivation = HKDF(SHA256(), 32, salt=b"largesse", info=purpose.encode())
        key = derivation.derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def close(self, text: str) -> str:
        """Return the sealed form of the text; two calls give two different forms."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the text; raises BadSeal when the key differs or a byte was changed."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise BadSeal("A stored secret cannot be opened with LARGESSE_SECRET.") from error
