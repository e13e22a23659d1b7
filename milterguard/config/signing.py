# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of ``[signing]``, and what an entry of ``[[dkim_key]]`` says.

*Source:* amavis ``dkim_key``, ``@dkim_signature_options_bysender_maps``, ``%signed_header_fields``. *Errors:* none.
"""

from dataclasses import dataclass

from milterguard.config.on_failure import OnFailure
from milterguard.core.destiny import Destiny
from milterguard.core.setting import setting
from milterguard.dkim.canonical import Canonical

SIGNED_FIELDS = (
    *("From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-ID", "Content-Description"),
    *("Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID"),
    *("List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post"),
    *("List-Owner", "List-Archive", "Autocrypt"),
)
ON_FAILURE_SIGNING = OnFailure(Destiny.PASS, Destiny.TEMPFAIL, Destiny.PASS)
"""A domain that asks others to reject what is not signed would lose its mail; a client can come again."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One entry of ``[[dkim_key]]``."""

    domain: str
    """As A-labels, in small letters."""
    selector: str
    file: str
    subdomains: bool = False
    """For mail of the domains below it too."""
    origin: str = ""
    """File and entry, for messages."""


@dataclass(frozen=True, slots=True)
class Signing:
    """DKIM signatures and ARC seals of ours. Section ``[signing]``."""

    enabled: bool = setting(True, "Sign originating mail of the domains that have keys.", amavis="$enable_dkim_signing")
    signer: str = setting(
        "",
        "unix:/PATH of milterguard dkim serve, which holds the keys in a process of its own; empty: workers read them.",
        amavis="$dkim_signing_service",
    )
    signer_timeout_seconds: float = setting(
        1.5, "How long the key process is waited for; the MTA waits meanwhile.", minimum=0.1, maximum=60
    )
    signer_group: str = setting("", "Group that may ask the key process, such as the workers'; empty: its own.")
    keys_urls: tuple[str, ...] = setting(
        (), "Databases with keys, written like lookup.sql.urls; asked where [[dkim_key]] has none.", secret=True
    )
    keys_select: str = setting(
        "", "SELECT of domain, selector and private key (PEM) for the domain %d; empty: no database is asked."
    )
    keys_seconds: float = setting(60.0, "What keys_select gave holds for that long.", minimum=0, maximum=86400)
    header_canonicalization: Canonical = setting(
        Canonical.RELAXED, "How fields are written before they are signed: relaxed or simple.", amavis="c"
    )
    body_canonicalization: Canonical = setting(
        Canonical.RELAXED, "How the body is written before it is signed: relaxed or simple.", amavis="c"
    )
    expire_seconds: int = setting(0, "A signature is good for that long (x=); 0: for ever.", amavis="ttl", minimum=0)
    sign_fields: tuple[str, ...] = setting(
        (),
        "Fields that are signed, all there are of each; empty: what readers see, MIME, Resent- and List- fields.",
        amavis="%signed_header_fields",
    )
    oversign_fields: tuple[str, ...] = setting(
        ("From", "To", "Subject", "Date", "Reply-To", "Content-Type"),
        "Fields that are signed once more than they stand, so that nobody can add one.",
        amavis="%signed_header_fields",
    )
    arc_domain: str = setting("", "Domain whose key seals mail that is forwarded (arc_seal); empty: nothing is sealed.")
    on_failure: OnFailure = setting(
        ON_FAILURE_SIGNING, "tempfail or pass, without a signature, when a message could not be signed."
    )


def is_for(entry: DkimKey, domain: str) -> bool:
    """Whether a key is for mail of that domain."""
    return domain == entry.domain or (entry.subdomains and domain.endswith(f".{entry.domain}"))
