"""The names that one origin goes by on the machine that it runs on.

Owns which hosts are this machine, and how an address is told to a reader who came under another of
its names. Must not know pages, headers or requests. Invariant: an origin elsewhere has exactly the
one name that it was configured with; nothing here ever adds to it.

Sources: RFC 6761 section 6.3 (`localhost` is always the loopback address), RFC 6454 (an origin is
scheme, host and port, so the loopback names are three origins of one machine).
"""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""The names of this machine as a browser writes them in an address."""


def is_loopback(origin: str) -> bool:
    """Return whether the origin is on the reader's own machine."""
    return _bracketed(urlsplit(origin).hostname or "") in LOOPBACK_HOSTS


def names_of(origin: str) -> tuple[str, ...]:
    """Return the origin, and on this machine the same port under its other names after it."""
    if not is_loopback(origin):
        return (origin,)
    return (origin, *(name for host in LOOPBACK_HOSTS if (name := _under(origin, host)) != origin))


def as_opened(origin: str, opened_host: str) -> str:
    """Return the origin under the name of this machine that the reader's own address carries.

    `opened_host` is the Host of the request, with or without a port. Where either of the two is
    elsewhere, the origin stays as it is. Browsers keep cookies and passkeys by name, so whoever
    came as `localhost` must be led on as `localhost`.
    """
    host = _bracketed(urlsplit(f"//{opened_host}").hostname or "")
    if host not in LOOPBACK_HOSTS or not is_loopback(origin):
        return origin
    return _under(origin, host)


def nameable(origin: str) -> str:
    """Return the origin as a Content-Security-Policy can name it, which is not by IPv6 number.

    The grammar of a host source has no brackets (Content Security Policy Level 3, section 2.3.1).
    """
    is_number = is_loopback(origin) and "[" in urlsplit(origin).netloc
    return _under(origin, "localhost") if is_number else origin


def _under(origin: str, host: str) -> str:
    parts = urlsplit(origin)
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
