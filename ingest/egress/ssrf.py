"""Which addresses a request may go to: none of a private network.

`ip_address(…).is_global` alone is not enough: on Python 3.11 it accepts NAT64, 6to4 and multicast
addresses, which may lead to private ones.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

BLOCKED_NETWORKS = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4",
        "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fec0::/10",
    )
)  # fmt: skip
"""This network, IETF protocols, 6to4 relays, reserved; IPv4-compatible, NAT64, discard, Teredo, 6to4,
documentation, SRv6, site-local: each may lead to another address than it shows.
"""


def is_allowed(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Return whether a request may go to this address: a public one, or one in `allowed`.

    Raises ValueError if it is not an address.
    """
    if is_in_networks(address, allowed):
        return True
    ip = _unmapped(address)
    odd = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_link_local
    return ip.is_global and not odd and not any(_is_in(ip, network) for network in BLOCKED_NETWORKS)


def is_in_networks(address: str, networks: Sequence[Network]) -> bool:
    """Return whether the address is in one of them. Raises ValueError if it is not an address."""
    ip = _unmapped(address)
    return any(_is_in(ip, network) for network in networks)


def _unmapped(address: str) -> IPv4Address | IPv6Address:
    """Return the embedded IPv4 address, or the address itself."""
    ip = ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return ip if mapped is None else mapped


def _is_in(ip: IPv4Address | IPv6Address, network: Network) -> bool:
    return ip.version == network.version and ip in network
