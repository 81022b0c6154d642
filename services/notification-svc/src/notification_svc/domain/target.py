"""Which addresses outside may be called: public ones over HTTPS, so that nobody makes this service call into its own house.

Sources: OWASP, Server-Side Request Forgery Prevention; the special-purpose address registries of IANA as `ipaddress` knows them.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from notification_svc.domain.refusal import NotificationError

LONGEST: Final = 2000
"""Characters an address may have."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_INSIDE: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")
"""Names that never lead out of a house (RFC 6761, 6762, 8375) and `internal`, which clouds use."""


class TargetUnreadableError(NotificationError):
    """This is no address a program can be called at; give one like https://example.org/hooks, without user name and fragment."""


class TargetNotSecureError(NotificationError):
    """Programs are called over HTTPS only: the address must begin with https://."""


class TargetPrivateError(NotificationError):
    """This address leads into a private network; only public ones are called."""


def is_public(address: str) -> bool:
    """Tell whether an IP address is on the public internet, also one that is wrapped into another kind of address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    wrapped = _wrapped(found) if isinstance(found, IPv6Address) else None
    return (wrapped or found).is_global and not (wrapped or found).is_multicast


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """Take out the IPv4 address an IPv6 one stands for: mapped, compatible, 6to4 or NAT64; None where there is none."""
    if address in _NAT64 or address in _COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def check_target(url: str, *, private_too: bool) -> None:
    """Refuse an address no program may be called at, as far as its text tells; what its name leads to is looked at in each call.

    `private_too` allows private networks and plain HTTP: for developers' machines.
    Raises `TargetUnreadableError`, `TargetNotSecureError`, `TargetPrivateError`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TargetUnreadableError from error
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= LONGEST
    if not plain or not host or port == 0 or parts.username is not None or parts.password is not None or parts.fragment:
        raise TargetUnreadableError
    if parts.scheme not in {"https", "http"}:
        raise TargetUnreadableError
    if private_too:
        return
    if parts.scheme != "https":
        raise TargetNotSecureError
    if _leads_inside(host):
        raise TargetPrivateError


def _leads_inside(host: str) -> bool:
    name = host.rstrip(".")
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return "." not in name or any(name == each or name.endswith(f".{each}") for each in _INSIDE)
    return not is_public(name)
