"""Which names a page may be called by, and from which pages: what keeps other sites' scripts out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

PROBES = frozenset({"/livez", "/readyz", "/healthz", "/health"})
"""Asked by an orchestrator under whatever address it knows; they tell nothing and change nothing."""
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Tell whether a host, without a port, is this machine's loopback and nothing else."""
    name = host.strip("[]").lower()
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def why_foreign(path: str, headers: Mapping[str, str], allowed: Collection[str]) -> str | None:
    """Return why a request must not be answered, None if it may be.

    A page on another site can send a browser here, under a name of its own (DNS rebinding) or under ours;
    the browser says which in `Host`, `Origin` and `Sec-Fetch-Site`.

    Parameters
    ----------
    headers : mapping of str to str
        Names in lower case.
    allowed : collection of str
        Host names taken beside those of loopback, without ports.
    """
    if path in PROBES:
        return None
    if not path.isprintable():
        return "the path holds signs that no page of ours has"
    host = headers.get("host", "")
    if not _is_allowed(host, allowed):
        return (
            f"Host {host[:80]!r} is not served here; use a loopback name or add it to services.allowed_hosts"
        )
    if headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}:
        # Pictures and scripts of another page carry no Origin; a link that a person follows is none of them.
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        if not followed:
            return "another page asks for this; open the address itself"
    origin = headers.get("origin")
    if origin is not None and not _is_own_origin(origin, host):
        return f"Origin {origin[:80]!r} is another page; only this address's own may ask"
    return None


def _is_allowed(host: str, allowed: Collection[str]) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].lower()
    return is_loopback(name) or name in {one.lower() for one in allowed}


def _is_own_origin(origin: str, host: str) -> bool:
    """Tell whether a page of this very address asks.

    Other ports of this machine are other programs: another user's, perhaps. The scheme may differ behind a
    proxy that ends TLS.
    """
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
