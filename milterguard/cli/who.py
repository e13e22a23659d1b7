# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a message on trial is from and for, as operators write it on a command line.

*Errors:* BadParameter, which is the exit status for a command line that was not understood.
"""

import ipaddress
import re

import click

from milterguard.core.mailbox import is_mailbox

DEFAULT_CLIENT = "192.0.2.1"
"""A documentation address (RFC 5737): a stranger who stands for all."""
_CLIENT = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^\[\]]*))\Z")


def client_address(text: str) -> str:
    """Return the address without brackets; empty stands for a client without one."""
    match = _CLIENT.match(text)
    address = (match["bracketed"] or match["plain"] or "") if match else text
    try:
        return str(ipaddress.ip_address(address)) if address else ""
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no IP address", param_hint="--client") from error


def checked_recipient(text: str, *, hint: str) -> str:
    """Return a recipient's address as it is. ``hint`` is what the parameter is called."""
    if not is_mailbox(text):
        raise click.BadParameter(f"{text!r} is no address such as user@example.com", param_hint=hint)
    return text
