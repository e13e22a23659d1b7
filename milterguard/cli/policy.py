# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard policy``: what holds for whom, and which words of the configuration say so."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.who import DEFAULT_CLIENT, checked_recipient, client_address

if TYPE_CHECKING:
    from milterguard.config.load import Loaded
    from milterguard.core.policy import Policy
    from milterguard.core.verdict import Judged

_SHADOW = " (shadow)"
_NEVER_REFUSED = "mail that did not come by SMTP is never refused"


@click.group("policy")
@common_options
def policy_command() -> None:
    """Show what holds for a recipient.

    \b
    Examples:
      milterguard policy show user@example.com
      milterguard policy show user+lists@example.com --login user --changed
    """


@policy_command.command("show", short_help="Print every setting that holds for a recipient, and its origin.")
@common_options
@json_option
@click.option("--client", default=DEFAULT_CLIENT, show_default=True, metavar="IP", help="Address of the SMTP client.")
@click.option(
    "--login", "--auth", "login", default="", metavar="NAME", help="SASL login name: the client is authenticated."
)
@click.option("--from", "sender", default="", metavar="ADDR", help="Envelope sender.  [default: the null sender]")
@click.option("--helo", default="client.invalid", show_default=True, metavar="NAME", help="What the client said.")
@click.option("--daemon", default="", metavar="NAME", help="Name of the MTA's listener (daemon_name).")
@click.option("--socket", default="", metavar="SOCKET", help="Which of our sockets the MTA comes to (server.listen).")
@click.option("--certificate", default="", metavar="NAME", help="Subject of the client's verified certificate.")
@click.option("--issuer", default="", metavar="NAME", help="Who signed it.")
@click.option("--tls", is_flag=True, help="The connection is encrypted.")
@click.option("--sendmail", is_flag=True, help="The message does not come by SMTP, but from sendmail(1).")
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@click.argument("recipient", metavar="RECIPIENT")
def show_command(
    recipient: str,
    *,
    client: str,
    login: str,
    sender: str,
    helo: str,
    daemon: str,
    socket: str,
    certificate: str,
    issuer: str,
    tls: bool,
    sendmail: bool,
    changed: bool,
    as_json: bool,
) -> None:
    """Print the value of each policy setting for RECIPIENT, and where it comes from.

    The origin is ``default``, the file that has it in [policy], the [bank.NAME] that holds for such a message, the
    entry of [[recipient]] with the key that matched, or the row of the database: the closest key that says something
    about a setting decides. Sets of ``banned_rules`` add up. A database that cannot be asked is an error.

    \b
    Examples:
      milterguard policy show user@example.com
      milterguard policy show abuse@example.com --changed
      milterguard policy show user@example.com --client 10.1.2.3 --json
    """
    from milterguard.build import build_policies
    from milterguard.core.envelope import Client, Traffic

    checked_recipient(recipient, hint="RECIPIENT")
    found = loaded()
    policies = build_policies(found.settings)
    mechanism = "PLAIN" if login else ""
    who = Client(
        address="" if sendmail else client_address(client),
        port=0 if sendmail else 25,
        name="localhost" if sendmail else "unknown",
        helo=helo,
        login=login,
        mechanism=mechanism,
        tls="TLS" if tls or certificate else "",
        daemon=daemon,
        socket=socket,
        certificate=certificate,
        issuer=issuer,
    )
    traffic = policies.traffic(who, sender)
    banks = policies.banks(who, sender, traffic)
    try:
        judged = policies.judged(recipient, (), traffic, banks, sender)
        by_smtp = policies.policy(recipient, Traffic.INBOUND, banks, sender)
    finally:
        policies.close()
    rows = list(_rows(found, judged, by_smtp))
    told = [row for row in rows if not (changed and row["origin"] == "default" and "shadow" not in row)]
    if as_json:
        show.as_json(told)
        return
    whose = "ours" if judged.recipient.is_local else "elsewhere, by local.domains"
    show.say(f"{recipient}: {whose}; mail is {traffic.value}" + (f"; bank {'/'.join(banks)}" if banks else ""))
    show.say()
    show.table(["Setting", "Value", "Origin"], [[row["key"], _value(row), row["origin"]] for row in told])


def _value(row: dict[str, Any]) -> str:
    return f"{row['value']} (on trial: {row['shadow']}, {row['shadow_origin']})" if "shadow" in row else row["value"]


def _rows(found: "Loaded", judged: "Judged", by_smtp: "Policy") -> Iterator[dict[str, Any]]:
    """Yield key, value and origin of each policy setting, and the value that is on trial."""
    from milterguard.config.schema import entries
    from milterguard.config.written import shown

    overlaid = dict(judged.origins)
    for entry in (each for each in entries().values() if each.section == "policy"):
        value, refusing = (getattr(policy, entry.key) for policy in (judged.policy, by_smtp))
        origin = overlaid.get(entry.key) or found.origins[entry.name]
        if value != refusing:
            origin = f"{_NEVER_REFUSED}; by SMTP {shown(entry, refusing)}, {origin}"
        row = {"key": entry.key, "value": shown(entry, value), "origin": origin}
        tried = getattr(judged.trial or judged.policy, entry.key)
        if tried != value:
            shadow = f"{entry.key}{_SHADOW}"
            shadow_origin = overlaid.get(shadow) or found.origins.get(f"policy.{shadow}", "")
            row |= {"shadow": shown(entry, tried), "shadow_origin": shadow_origin}
        yield row
