# SPDX-License-Identifier: GPL-3.0-or-later
"""``milterguard dkim``: make keys, print what belongs into the DNS, compare the DNS with the keys, hold the keys."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from milterguard.cli import show
from milterguard.cli.options import common_options, json_option, loaded
from milterguard.cli.status import CommandError, Status
from milterguard.core.domain import ascii_domain
from milterguard.errors import ConfigError, SignError

if TYPE_CHECKING:
    from milterguard.config.settings import Settings
    from milterguard.config.signing import DkimKey

_FOLDER = Path("/etc/milterguard/dkim")
_STRING_OCTETS = 255
"""The longest string in a TXT record. *Source:* RFC 1035 section 3.3."""
_RESULTS = {True: "ok", False: "FAILED", None: "no answer"}


@click.group("dkim")
@common_options
def dkim_command() -> None:
    """Keys for DKIM: make them, publish them, test them, hold them in a process of their own.

    The way from nothing to signed mail: genkey makes a key and prints its record and its entry for the
    configuration; once the zone has the record test says so; reload, and mail is signed.

    \b
    Examples:
      milterguard dkim genkey example.com 2026a
      milterguard dkim show
      milterguard dkim test
    """


@dkim_command.command("genkey")
@common_options
@json_option
@click.argument("domain")
@click.argument("selector")
@click.option("--type", "kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True,
              help="Kind of key; not everybody knows ed25519 yet, so have an RSA key beside it.")  # fmt: skip
@click.option("--bits", type=click.IntRange(1024, 8192), default=2048, show_default=True, help="Size of an RSA key.")
@click.option("--directory", type=click.Path(path_type=Path), default=_FOLDER, show_default=True,
              help="Where the key is put, as DOMAIN.SELECTOR.pem with mode 0600.")  # fmt: skip
@click.option("--group", metavar="NAME", help="Let this group read it (0640): that of the service, if it is not yours.")
def genkey_command(
    *, domain: str, selector: str, kind: str, bits: int, directory: Path, group: str | None, as_json: bool
) -> int:
    """Make a key and print its record and its entry for the configuration. Never overwrites one.

    \b
    Examples:
      milterguard dkim genkey example.com 2026a
      milterguard dkim genkey example.com 2026e --type ed25519
    """
    name, label = _domain(domain), ascii_domain(selector)
    if label is None:
        raise CommandError(f"{selector} is no selector: letters, digits, - and .", Status.USAGE)

    from milterguard.keys.private import generated

    key = generated(kind, bits=bits)
    file = directory / f"{name}.{label}.pem"
    _write_new(file, key.pem(), _group_id(group))
    published = _Published(name, label, key.record)
    if as_json:
        show.as_json({"file": str(file), "algorithm": key.algorithm, "bits": key.bits, **published.plain()})
        return Status.OK
    show.say(f"{file} has the key ({key.algorithm}, {key.bits} bits). Into the zone of {name}:")
    show.say()
    click.echo(published.zone_lines())
    show.say()
    show.say("Into the configuration:")
    show.say()
    click.echo(f'[[dkim_key]]\ndomain = "{name}"\nselector = "{label}"\nfile = "{file.absolute()}"')
    show.say()
    show.say("When the zone has it: milterguard dkim test")
    return Status.OK


@dkim_command.command("show")
@common_options
@json_option
@click.argument("domain", required=False)
def show_command(domain: str | None, as_json: bool) -> int:
    """Print the DNS records of the configured keys, cut into strings as a zone file needs them.

    \b
    Examples:
      milterguard dkim show
      milterguard dkim show example.com >> db.example.com
      milterguard dkim show --json | jq -r '.[].record'
    """
    from milterguard.keys.ring import read_key_file

    found, unread = [], []
    for entry in _entries(loaded().settings, domain):
        try:
            found.append(_Published(entry.domain, entry.selector, read_key_file(Path(entry.file)).record))
        except SignError as error:
            unread.append(f"{entry.origin}: {error}")
    if as_json:
        show.as_json([each.plain() for each in found])
    for each in () if as_json else found:
        click.echo(each.zone_lines())
    if unread:
        raise CommandError("\n".join(unread), Status.CONFIG)
    return Status.OK


@dkim_command.command("test")
@common_options
@json_option
@click.argument("domain", required=False)
def test_command(domain: str | None, as_json: bool) -> int:
    """Sign with each key as the service does, and verify that with what the DNS has.

    Of a DOMAIN those keys are tested that mail of that domain is signed with, be they in files, in a table
    (signing.keys_select) or with a process of their own (signing.signer); else those of each [[dkim_key]].
    Run it as the user of the service, such as: runuser -u milterguard -- milterguard dkim test

    \b
    Exit status: 0 every key is published as it is, 1 one is not or cannot be used, 75 the DNS did not answer.

    \b
    Examples:
      milterguard dkim test
      milterguard dkim test example.com --json | jq '.[] | select(.ok != true)'
    """
    from milterguard.cli.probe_proofs import compared
    from milterguard.keys.source import ring_of

    settings = loaded().settings
    if domain is None:
        domains = list(dict.fromkeys(entry.domain for entry in _entries(settings, None)))
    else:
        domains = [_domain(domain)]
    ring = ring_of(settings)
    results = list(compared(domains, ring, settings))
    ring.close()
    if as_json:
        show.as_json(
            [{"name": each.name, "ok": each.is_good, "detail": each.text, "advice": each.advice} for each in results]
        )
    else:
        rows = [[each.name, _RESULTS[each.is_good], each.text, each.advice] for each in results]
        show.table(["Record", "Result", "Detail", "What to do"], rows)
    if any(each.is_good is False for each in results):
        return Status.FOUND
    return Status.OK if all(each.is_good for each in results) else Status.TEMPFAIL


@dkim_command.command("serve")
@common_options
def serve_command() -> int:
    """Hold the keys in a process of their own and sign what the workers ask for, until SIGTERM.

    Run it as a user who may read the keys, and the workers as one who may not; signing.signer names the
    socket for both. The keys are read again when they change.

    \b
    Example:
      milterguard dkim serve --config /etc/milterguard/milterguard.toml
    """
    from milterguard.cli.key_process import serve_keys

    settings = loaded().settings
    if not settings.signing.signer:
        expected = "the socket, such as unix:/run/milterguard-keys/keys.sock"
        raise ConfigError("settings", "signing.signer", expected=expected, got="none")
    serve_keys(settings)
    return Status.OK


@dataclass(frozen=True, slots=True)
class _Published:
    """What belongs into the DNS."""

    domain: str
    selector: str
    record: str

    @property
    def name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    def plain(self) -> dict[str, str]:
        return {"domain": self.domain, "selector": self.selector, "name": self.name, "record": self.record}

    def zone_lines(self) -> str:
        """Return the record as it stands in a zone file. *Source:* RFC 1035 section 5.1, RFC 6376 section 3.6.2.2."""
        starts = range(0, len(self.record), _STRING_OCTETS)
        strings = [f'"{self.record[start : start + _STRING_OCTETS]}"' for start in starts]
        if len(strings) == 1:
            return f"{self.name}. IN TXT {strings[0]}"
        return f"{self.name}. IN TXT (\n    " + "\n    ".join(strings) + " )"


def _entries(settings: "Settings", domain: str | None) -> Sequence["DkimKey"]:
    """Return those of a domain, or all. Raises CommandError where there is none."""
    wanted = None if domain is None else _domain(domain)
    entries = [entry for entry in settings.dkim_keys if wanted in (None, entry.domain)]
    if not entries and settings.signing.keys_select:
        raise CommandError("there is no [[dkim_key]]; test DOMAIN asks signing.keys_select", Status.NO_INPUT)
    if not entries:
        said = "there is no [[dkim_key]]" + (f" of {domain}" if domain else "")
        raise CommandError(f"{said}: milterguard dkim genkey makes one", Status.NO_INPUT)
    return entries


def _domain(text: str) -> str:
    """Return a domain as A-labels. Raises CommandError."""
    name = ascii_domain(text)
    if name is None or "." not in name:
        raise CommandError(f"{text} is no domain", Status.USAGE)
    return name


def _write_new(file: Path, octets: bytes, group: int | None) -> None:
    """Write a file that nobody else may read, and that was not there before; its folder is made if need be."""
    try:
        if not file.parent.is_dir():
            file.parent.mkdir(mode=0o750, parents=True)
            if group is not None:
                os.chown(file.parent, -1, group)
            file.parent.chmod(0o750)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise CommandError(f"{file} is there already: take another selector, or move it away", Status.FOUND) from None
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}", Status.IO) from error
    with os.fdopen(descriptor, "wb") as opened:
        if group is not None:
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP)
        opened.write(octets)
        opened.flush()
        os.fsync(descriptor)


def _group_id(group: str | None) -> int | None:
    import grp

    try:
        return None if group is None else grp.getgrnam(group).gr_gid
    except KeyError:
        raise CommandError(f"there is no group {group}", Status.USAGE) from None
