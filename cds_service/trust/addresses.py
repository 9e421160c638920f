"""Where connections may go, when clients have lists of FHIR servers of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.fhir.allowed import AddressRules
from cds_service.fhir.links import BaseUrl
from cds_service.trust.clients import Clients


@dataclass(frozen=True)
class SharedRules(AddressRules):
    """The service's rules for connections that its clients share.

    What a host on a client's own list may resolve to is judged by that list, so that it may stand
    in a private network; every other host by the general rules.
    """

    of_clients: tuple[AddressRules, ...] = ()

    def permits(self, host: str, address: str) -> bool:
        """See `AddressRules.permits`."""
        general = AddressRules(self.bases, self.loopback_ok, self.ports)
        name = host.strip("[]")
        own = (rules for rules in self.of_clients if name in _hosts(rules))
        return general.permits(host, address) or any(r.permits(host, address) for r in own)


def shared_rules(general: AddressRules, clients: Clients) -> AddressRules:
    """The general rules, and those of every client that has its own."""
    own = tuple(c.fhir_rules for c in clients.values() if c.fhir_rules is not None)
    if not own:
        return general
    return SharedRules(general.bases, general.loopback_ok, general.ports, own)


def key_rules(clients: Clients) -> AddressRules:
    """Rules for connections that read keys: the addresses of the clients file, and no others."""
    addresses: Iterable[str] = {a for c in clients.values() for a in c.key_addresses}
    return AddressRules.listed(addresses)


def _hosts(rules: AddressRules) -> frozenset[str]:
    return frozenset(BaseUrl.parse(base).host.strip("[]") for base in rules.bases)
