"""Which FHIR server a hook call may send us to: its `fhirServer` is whatever the caller wrote.

The address is checked twice: as text before use, and as the IP address that a connection is
really opened to (connections.py), since a name can be made to mean something else in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cds_service.errors import FhirUnavailable
from cds_service.fhir.links import BaseUrl

_NEVER = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata service of most clouds
        "168.63.129.16/32",  # Azure's
        "100.100.100.200/32",  # Alibaba's
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/128",
        "fd00:ec2::254/128",  # Amazon's, over IPv6
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Where the service may go for a chart.

    With `bases` only there, exactly, final slash or not; a listed server may stand in a private
    network, as hospital servers do. Without a list anywhere public by https on port 443 or one
    of `ports`. `loopback_ok`, for the demo, adds this machine, by http and on any port.
    """

    bases: frozenset[str] = frozenset()
    loopback_ok: bool = False
    ports: frozenset[int] = frozenset()

    @classmethod
    def listed(cls, bases: Iterable[str], *, loopback_ok: bool = False) -> AddressRules:
        """Rules with these base addresses; ValueError for one that is not a plain address."""
        return cls(frozenset(str(BaseUrl.parse(base)) for base in bases), loopback_ok)

    def check(self, address: str) -> BaseUrl:
        """The base to read from; raises FhirUnavailable where we do not go."""
        try:
            base = BaseUrl.parse(address)
        except ValueError:
            raise _refused() from None
        if self.bases:
            if str(base) not in self.bases and not self.is_own_machine(base):
                raise _refused()
        elif not (self.is_own_machine(base) or self._is_public(base)):
            raise _refused()
        return base

    def permits(self, host: str, address: str) -> bool:
        """Whether a connection to `host` may be opened to the IP address it resolved to."""
        try:
            ip = _unwrapped(ip_address(address))
        except ValueError:
            return False
        if _is_never(ip):
            return False
        if ip.is_loopback:
            return _is_loopback_name(host) and (self.loopback_ok or bool(self.bases))
        return bool(self.bases) or _is_public_ip(ip)

    def is_own_machine(self, base: BaseUrl) -> bool:
        """Whether this is an address of this machine, and the rules permit that."""
        return self.loopback_ok and _is_loopback_name(base.host)

    def _is_public(self, base: BaseUrl) -> bool:
        if base.scheme != "https" or base.port not in self.ports | {443}:
            return False
        ip = _literal(base.host)
        if ip is None:
            return _is_dotted_name(base.host)
        return not _is_never(ip) and not ip.is_loopback and _is_public_ip(ip)


def _refused() -> FhirUnavailable:
    return FhirUnavailable("patient data", "its address is not one we may read from")


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return _unwrapped(ip_address(host.strip("[]")))
    except ValueError:
        return None


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv6 one that stands for it, else the address itself."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _is_never(ip: IPv4Address | IPv6Address) -> bool:
    return any(ip.version == block.version and ip in block for block in _NEVER)


def _is_public_ip(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and (ip not in _UNICAST or ip.teredo is not None):
        return False
    return ip.is_global


def _is_loopback_name(host: str) -> bool:
    ip = _literal(host)
    return host == "localhost" if ip is None else ip.is_loopback


def _is_dotted_name(host: str) -> bool:
    """Whether a host is a full DNS name, not a number in disguise ("127.1", "0x7f.1").

    Source: WHATWG URL, a host whose last label is a number is an IPv4 address.
    """
    labels = host.split(".")
    return len(labels) > 1 and all(labels) and labels[-1][0].isalpha()
