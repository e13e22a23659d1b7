# SPDX-License-Identifier: GPL-3.0-or-later
"""iprev: whether a client's address has a name that has this address.

*Source:* RFC 8601 section 3. *Errors:* none; an outage is ``temperror``.
"""

import ipaddress

from milterguard.core.finding import Category, Finding
from milterguard.dns import Lookup
from milterguard.errors import DnsError

NAME = "iprev"
_MOST_NAMES = 10


def check_iprev(lookup: Lookup, address: str) -> Finding:
    """Return the result for a client's address. Never raises."""
    result, name = _result(lookup, address)
    properties = (("policy.iprev", address), ("smtp.client-name", name))
    return Finding(NAME, Category.CLEAN, result=result, properties=properties)


def _result(lookup: Lookup, address: str) -> tuple[str, str]:
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return "permerror", ""
    kind = "A" if client.version == 4 else "AAAA"
    trouble = False
    try:
        names = lookup.pointers(client.reverse_pointer)
    except ValueError:
        return "permerror", ""  # an address with a zone, such as fe80::1%eth0
    except DnsError:
        return "temperror", ""
    for name in names[:_MOST_NAMES]:
        try:
            if any(ipaddress.ip_address(each) == client for each in lookup.addresses(name, kind)):
                return "pass", name
        except DnsError:
            trouble = True
    return "temperror" if trouble else "fail" if names else "permerror", ""
