"""The product's configuration, read once from environment variables by an entry point.

Owns the names, defaults and checks of every variable. Must not know who uses a value. Protects one
invariant: nothing starts with a short, empty or public secret, or with an address it cannot reach.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from largesse.adapters.private_file import PrivateFileError, read_or_create

MINIMUM_SECRET_BYTES = 24
_DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"
_TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
_FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


class ConfigError(Exception):
    """A variable has a value that the product cannot run with. A retry does not help."""

    code: ClassVar[str] = "configuration"


@dataclass(frozen=True, slots=True)
class Config:
    """What an entry point needs to know before it starts anything."""

    database_url: str | None = field(repr=False)
    """LARGESSE's database elsewhere (DATABASE_URL); None means the embedded server."""
    data_dir: Path
    """LARGESSE_DATA: the embedded server, the generated secret, exports. Absolute."""
    secret: str = field(repr=False)
    """LARGESSE_SECRET, or the one kept in `<data_dir>/secret`. Signs sessions and room tokens."""
    public_url: str
    """LARGESSE_PUBLIC_URL: origin of pages and API, without a trailing slash."""
    live_url: str
    """LARGESSE_LIVE_URL: origin of the live service; by default one port above the public one."""
    sandbox_url: str
    """LARGESSE_SANDBOX_URL: origin of the simulator; by default two ports above the public one."""
    sandbox: bool
    """LARGESSE_SANDBOX: simulated providers and the test clock are on. Never with real money."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Read the configuration; the first call on a data directory makes its secret file.

        Raises ConfigError, whose text names the variable and says what to do.
        """
        data_dir = Path(environ.get("LARGESSE_DATA") or ".largesse").expanduser().absolute()
        public_url = _origin(environ, "LARGESSE_PUBLIC_URL", _DEFAULT_PUBLIC_URL)
        return cls(
            database_url=_database_url(environ),
            data_dir=data_dir,
            secret=_secret(environ, data_dir),
            public_url=public_url,
            live_url=_origin(environ, "LARGESSE_LIVE_URL", _ports_above(public_url, 1)),
            sandbox_url=_origin(environ, "LARGESSE_SANDBOX_URL", _ports_above(public_url, 2)),
            sandbox=_switch(environ, "LARGESSE_SANDBOX"),
        )


def _database_url(environ: Mapping[str, str]) -> str | None:
    url = environ.get("DATABASE_URL", "").strip()
    if not url:
        return None
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        # The value stays out of the text: it usually holds a password.
        raise ConfigError(
            "DATABASE_URL must begin with postgresql://. Correct it, "
            "or unset it to use the embedded server."
        )
    return url


def _secret(environ: Mapping[str, str], data_dir: Path) -> str:
    if "LARGESSE_SECRET" in environ:
        secret, source = environ["LARGESSE_SECRET"].strip(), "LARGESSE_SECRET"
    else:
        source = str(data_dir / "secret")
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret = read_or_create(data_dir / "secret", secrets.token_urlsafe(48))
        except PrivateFileError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            raise ConfigError(
                f"Cannot keep a secret in {data_dir}: {error.strerror}. "
                "Set LARGESSE_DATA to a directory that you may write."
            ) from error
    if len(secret.encode()) < MINIMUM_SECRET_BYTES:
        raise ConfigError(
            f"The secret in {source} is shorter than {MINIMUM_SECRET_BYTES} bytes. Use a random "
            "one, for example of: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return secret


def _origin(environ: Mapping[str, str], name: str, default: str | None) -> str:
    value = environ.get(name, "").strip() or default
    if value is None:
        raise ConfigError(
            f"Set {name}: LARGESSE_PUBLIC_URL names no port, so no other can be derived from it."
        )
    parts = urlsplit(value)
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in ("http", "https") or not parts.hostname or extra or _bad_port(parts):
        raise ConfigError(f"{name} must be an origin like https://host or http://host:8000.")
    return f"{parts.scheme}://{parts.netloc}"


def _ports_above(origin: str, steps: int) -> str | None:
    parts = urlsplit(origin)
    if parts.port is None or parts.port + steps > 65535:
        return None
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port + steps}"


def _bad_port(parts: SplitResult) -> bool:
    try:
        return parts.port == 0
    except ValueError:
        return True


def _switch(environ: Mapping[str, str], name: str) -> bool:
    word = environ.get(name, "").strip().lower()
    if word not in _TRUE_WORDS | _FALSE_WORDS:
        raise ConfigError(f"{name} must be 1 or 0, not {word!r}.")
    return word in _TRUE_WORDS
