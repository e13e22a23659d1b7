# SPDX-License-Identifier: GPL-3.0-or-later
"""What scanners are tried with. Put together from halves, so that no scanner stumbles over this file.

*Source:* eicar.org (anti-malware test file), spamassassin.apache.org/gtube.
"""

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_NAME = "Eicar-Test-Signature"
"""What our private clamd calls it, with `.UNOFFICIAL` behind: the signature is not from ClamAV's own set."""
CLAMAV_NAME = "Clamav-Test-File"
CLAMAV_DIGEST = "aa15bcf478d165efd2065190eb473bcb:544"
"""MD5 and size of clam.exe, the harmless program in all of Debian's clamav-testfiles."""
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

POINTS = {"6-5": 6.5, "5-0": 5.0, "3-0": 3.0, "20-0": 20.0, "minus-1": -1.0}
"""Scores of the private spamd's own rules, by the last word of the phrase that fires each."""


def points_phrase(name: str) -> str:
    """The words that give a message's body the points of that name: ``points_phrase("6-5")`` adds 6.5."""
    if name not in POINTS:
        raise ValueError(f"{name}: expected one of {', '.join(POINTS)}")
    return f"milterguard-test-points-{name}"


def points_rule(name: str) -> str:
    """The name of the rule of these points, as spamd reports it."""
    return "MILTERGUARD_TEST_" + name.replace("-", "_").upper()
