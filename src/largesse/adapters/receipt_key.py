"""The operator's key for receipts: it signs checkpoints and salts what is sealed.

Owns where the key lies and what is derived from it. Must not know the log. Invariant: once made it
stays: another key would neither open old receipts nor sign for the same log.

It is derived from the product's secret at first use and then kept in `<data_dir>/receipt-key`
(0600). Machines that share one secret and one database so make the same file each, and a later
change of the secret leaves the key as it is (docs/guides/receipts.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from largesse.adapters.config import Config
from largesse.adapters.private_file import PrivateFileError, read_or_create
from largesse.ledger.checkpoints import public_key_of
from largesse.ledger.receipts import Salts

FILE = "receipt-key"
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """What the key gives: a name to suggest for a new log, the seed that signs, and the salts."""

    suggested_origin: str
    seed: bytes = field(repr=False)
    salts: Salts


def load(config: Config) -> ReceiptKey:
    """Return the key, made at the first call. Raises PrivateFileError, which says what to do."""
    config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = config.data_dir / FILE
    text = read_or_create(path, derive(config.secret.encode(), "key").hex())
    try:
        master = bytes.fromhex(text)
    except ValueError:
        master = b""
    if len(master) != _SEED_BYTES:
        raise PrivateFileError(
            f"{path} holds no key of 64 hex digits. Put back the file that the log began with."
        )
    seed = derive(master, "signature")
    host = urlsplit(config.public_url).netloc
    origin = f"{host}/ledger/{public_key_of(seed).hex()[:8]}"
    return ReceiptKey(origin, seed, Salts(derive(master, "salt")))


def derive(secret: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose (RFC 5869)."""
    info = f"receipts {purpose}".encode()
    return HKDF(SHA256(), _SEED_BYTES, salt=b"largesse", info=info).derive(secret)
