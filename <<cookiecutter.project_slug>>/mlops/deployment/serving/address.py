"""Where an endpoint listens, and how long it may take to end."""

from __future__ import annotations

import ipaddress

# For requests under way when the endpoint is asked to end, in seconds.
GRACE_SECONDS = 10


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
