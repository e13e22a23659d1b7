# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Postfix asks a milter before us that signs what we then change.

A signature over a field that is changed afterwards is broken, and a broken one is worse than none. Where
there is no Postfix, or no list of it names us, nothing is said.

*Source:* postconf(1), postconf(5) ``smtpd_milters``; MILTER_README. *Errors:* none.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from milterguard.cli.probe import Row, Rows, State
from milterguard.config.settings import Settings
from milterguard.config.socket import SocketKind, SocketSpec
from milterguard.core.custom import is_signed
from milterguard.core.envelope import Traffic
from milterguard.core.policy import OnTrial

_TIMEOUT_SECONDS = 5.0
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/sbin:/bin"
_LISTS = ("smtpd_milters", "non_smtpd_milters")
_ELEMENT = re.compile(r"\{([^{}]*)\}|([^\s,{}]+)")
_SIGNER = re.compile(r"dkim|rspamd", re.IGNORECASE)
_SIGNER_PORTS = {"8891": "OpenDKIM", "12301": "OpenDKIM", "8892": "dkimpy-milter", "11332": "rspamd"}
"""Where they listen by their own defaults, or by what is written about them everywhere."""
_TAGS = ("spam_subject_tag1", "spam_subject_tag", "spam_subject_tag3", "subject_tag")


def postfix_rows(settings: Settings, folder: str = "") -> Rows:
    """Yield a row for each list of milters that has us in it. Never raises.

    ``folder`` has Postfix' main.cf; empty: where it looks itself.
    """
    changed = signed_changes(settings)
    ours = [SocketSpec.parse(text) for text in settings.server.listen]
    for name, value in _lists(folder):
        elements = milters(value)
        place = next((number for number, each in enumerate(elements) if _is_ours(each, ours)), None)
        if place is None:
            continue
        signers = [each for each in elements[:place] if is_signer(each)]
        if signers and changed:
            text = f"{', '.join(signers)} signs before us, and then we change {', '.join(changed)}"
            advice = (
                "put milterguard first, signers behind it: a signature over a field that is changed later is broken"
            )
            yield Row(f"Postfix {name}", State.WARNING, text, advice)
        else:
            yield Row(f"Postfix {name}", State.OK, "no signer before us whose signatures we would break")


def milters(value: str) -> list[str]:
    """Return the addresses in a list of milters, without what stands beside them in braces."""
    found = ((braced or plain).replace(",", " ").split() for braced, plain in _ELEMENT.findall(value))
    return [words[0] for words in found if words]


def is_signer(milter: str) -> bool:
    """Whether a milter looks like one that signs: by its name, its path or its port."""
    return bool(_SIGNER.search(milter)) or _port(milter) in _SIGNER_PORTS


def signed_changes(settings: Settings) -> list[str]:
    """Return the fields that signers sign and these settings change, in mail that is not a stranger's."""
    layers = (
        *((name, getattr(settings.policy, name)) for name in _TAGS),
        *(pair for bank in settings.banks for pair in bank.settings),
        *(pair for rule in settings.recipients for pair in rule.settings),
    )
    has_tag = any(name in _TAGS and _says_something(value) for name, value in layers)
    names = [rule.name for rule in settings.fields if is_signed(rule.name) and rule.traffics != (Traffic.INBOUND,)]
    return [*(["Subject"] if has_tag else []), *dict.fromkeys(names)]


def _says_something(value: object) -> bool:
    if isinstance(value, tuple):
        return any(text.strip() for _, text in value)
    return not isinstance(value, OnTrial) and bool(str(value).strip())


def _port(milter: str) -> str:
    return milter.rpartition(":")[2] if milter.startswith("inet") else ""


def _is_ours(milter: str, ours: Iterable[SocketSpec]) -> bool:
    """Whether a milter is one of our sockets. Postfix names hosts and folders as it sees them, so ends are compared."""
    if milter.startswith("inet"):
        return any(_port(milter) == str(spec.port) for spec in ours)
    path = "/" + milter.partition(":")[2].lstrip("/")
    return any(spec.kind is SocketKind.UNIX and spec.path.endswith(path) for spec in ours)


def _lists(folder: str) -> Iterator[tuple[str, str]]:
    """Yield names and values of all lists of milters: those of main.cf, then those of single services."""
    for given in (("-x", *_LISTS), ("-Px", "*/*/smtpd_milters"), ("-Px", "*/*/non_smtpd_milters")):
        for line in _postconf(folder, given).splitlines():
            name, equals, value = line.partition(" =")
            if equals and value.strip():
                yield name, value


def _postconf(folder: str, given: Sequence[str]) -> str:
    """Return what postconf says; empty when there is none, or no configuration."""
    program = shutil.which("postconf") or shutil.which("postconf", path=_PLACES)
    if program is None:
        return ""
    where = ["-c", folder] if folder else []
    try:
        done = subprocess.run(
            [program, *where, *given],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
