# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of milterguard: they all mean that *we* failed; bad mail is a finding.

    MilterguardError
    ├── ConfigError        what the operator gave is wrong: file, key, expected, got
    ├── CheckError         a check could not finish: check, detail
    │   ├── CheckTimeout       its time was over
    │   └── CheckUnavailable   nobody answered at the door
    ├── StoreError         quarantine or database could not do what was asked
    │   └── NotFoundError      there is nothing under that id
    ├── DnsError           a question to the DNS has no answer for now: the name may exist, or not
    ├── SignError          nothing could be signed: no key, or the key process is away
    └── ContentError       the octets of a message cannot be read (any more)

A CheckError becomes a FAILED finding, a StoreError of the quarantine and a ContentError become 451, a DnsError
the result *temperror*. A message that could not be signed is deferred or goes out
without a signature, as ``signing.on_failure`` says.
"""


class MilterguardError(Exception):
    """Root of everything that milterguard raises on purpose."""


class ConfigError(MilterguardError):
    """A setting, argument or file of the operator is wrong; exit status 78 (EX_CONFIG)."""

    def __init__(self, file: str, key: str, *, expected: str, got: str) -> None:
        super().__init__(file, key, expected, got)
        self.file, self.key, self.expected, self.got = file, key, expected, got

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: expected {self.expected}, found {self.got}"


class CheckError(MilterguardError):
    """A check could not finish. Nothing is known about the message: that is never *clean*."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(check, detail)
        self.check, self.detail = check, detail

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


class CheckTimeout(CheckError):  # noqa: N818  (a timeout is what the field calls it)
    """The check did not answer in its time."""


class CheckUnavailable(CheckError):  # noqa: N818
    """No server of the check could be reached."""


class StoreError(MilterguardError):
    """The quarantine or the database could not do what was asked."""


class NotFoundError(StoreError):
    """There is nothing stored under that id."""


class DnsError(MilterguardError):
    """The DNS gave no answer for now: timeout, SERVFAIL, REFUSED, a broken packet, the budget used up."""


class SignError(MilterguardError):
    """Nothing could be signed: a key that cannot be read, a key process that is away or refuses."""


class ContentError(MilterguardError):
    """The octets of a message cannot be read or kept: disk full, session gone."""
