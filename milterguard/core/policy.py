# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recipient wants to happen: destinies, lovers, bypasses, levels, what is kept.

*Bypass*, *lover* and *destiny pass* are three different things: a bypassed check never gives its
category to the recipient, a lover gets the category and its marks and the mail, and destiny
``pass`` lets everybody have it. An allowed sender is a fourth: his mail is never spam.

*Source:* amavis ``final_*_destiny``, ``*_lovers_maps``, ``bypass_*_checks_maps``, ``sa_*_level_deflt``.
"""

from dataclasses import dataclass
from enum import StrEnum

from milterguard.core.by_category import ByCategory
from milterguard.core.destiny import Destiny, Mixed
from milterguard.core.finding import Category
from milterguard.core.setting import setting


class Sign(StrEnum):
    """Which mail gets a DKIM signature of ours."""

    ORIGINATING = "originating"
    ALWAYS = "always"
    NEVER = "never"


class Protect(StrEnum):
    """What counts more, an edit of ours or a signature that it would break."""

    OFF = "off"
    """The edit."""
    PREFER_FIELDS = "prefer_fields"
    """A tag that would stand in the Subject stands in a field of its own."""
    NEVER_BREAK = "never_break"
    """The signature: nothing is changed that it covers, but for fields that only we may write."""


@dataclass(frozen=True, slots=True)
class OnTrial:
    """A value that is to be watched and not to be followed yet: ``{ value = 5.0, shadow = true }``."""

    value: object


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that decides about one recipient. Keys of ``[policy]`` and ``[[recipient]]``."""

    virus_destiny: Destiny = setting(
        Destiny.REJECT, "What becomes of an infected message.", amavis="$final_virus_destiny"
    )
    banned_destiny: Destiny = setting(
        Destiny.REJECT, "What becomes of a message with a banned name or type.", amavis="$final_banned_destiny"
    )
    unchecked_destiny: Destiny = setting(
        Destiny.PASS,
        "What becomes of a message that could not be looked into: encrypted, over a scanner's limits.",
        amavis="%final_destiny_maps_by_ccat{+CC_UNCHECKED}",
    )
    ambiguous_destiny: Destiny = setting(
        Destiny.REJECT,
        "What becomes of a message that mail programs may read in different ways, to hide something in one of them.",
        amavis="CC_UNCHECKED,3",
    )
    dmarc_reject_destiny: Destiny = setting(
        Destiny.REJECT, "What becomes of a message that its From domain asks to reject (DMARC, p=reject)."
    )
    dmarc_quarantine_destiny: Destiny = setting(
        Destiny.PASS,
        "What becomes of a message that its From domain asks to quarantine (p=quarantine); delivered, it is marked.",
    )
    spam_destiny: Destiny = setting(
        Destiny.REJECT, "What becomes of a message at or above the kill level.", amavis="$final_spam_destiny"
    )
    bad_header_destiny: Destiny = setting(
        Destiny.PASS, "What becomes of a message with a broken header section.", amavis="$final_bad_header_destiny"
    )
    oversized_destiny: Destiny = setting(
        Destiny.REJECT, "What becomes of a message over the recipient's size limit.", amavis="CC_OVERSIZED"
    )

    banned_rules: tuple[str, ...] = setting(
        ("DEFAULT",),
        "Sets of rules about names and types, asked in this order; a closer entry's sets come before these.",
        amavis="@banned_filename_maps",
    )

    virus_lover: bool = setting(False, "Deliver infected mail, marked.", amavis="@virus_lovers_maps")
    banned_lover: bool = setting(False, "Deliver banned mail, marked.", amavis="@banned_files_lovers_maps")
    unchecked_lover: bool = setting(
        False, "Deliver mail that could not be looked into, marked.", amavis="@unchecked_lovers_maps"
    )
    spam_lover: bool = setting(False, "Deliver spam, marked.", amavis="@spam_lovers_maps")
    bad_header_lover: bool = setting(
        False, "Deliver mail with a broken header section, marked.", amavis="@bad_header_lovers_maps"
    )

    bypass_virus_checks: bool = setting(
        False, "Virus findings are nothing to this recipient.", amavis="@bypass_virus_checks_maps"
    )
    bypass_banned_checks: bool = setting(
        False, "Banned names and types are nothing to this recipient.", amavis="@bypass_banned_checks_maps"
    )
    bypass_spam_checks: bool = setting(
        False, "Spam findings are nothing to this recipient, nor are X-Spam fields.", amavis="@bypass_spam_checks_maps"
    )
    bypass_header_checks: bool = setting(
        False, "Broken header sections are nothing to this recipient.", amavis="@bypass_header_checks_maps"
    )

    spam_tag_level: float | None = setting(
        -999.0, "X-Spam fields are added from this score on.", amavis="$sa_tag_level_deflt"
    )
    spam_tag2_level: float | None = setting(
        6.2, "Marked as spam (X-Spam-Flag, Subject) from this score on.", amavis="$sa_tag2_level_deflt"
    )
    spam_tag3_level: float | None = setting(
        None, "Marked as blatant spam from this score on; unset: never.", amavis="$sa_tag3_level_deflt"
    )
    spam_kill_level: float | None = setting(
        6.9, "spam_destiny holds from this score on.", amavis="$sa_kill_level_deflt"
    )
    spam_subject_tag1: str = setting(
        "", "Put before the Subject from spam_tag_level on.", amavis="$sa_spam_subject_tag1"
    )
    spam_subject_tag: str = setting(
        "***SPAM*** ", "Put before the Subject from spam_tag2_level on.", amavis="$sa_spam_subject_tag"
    )
    spam_subject_tag3: str = setting(
        "", "Put before the Subject from spam_tag3_level on; empty: spam_subject_tag.", amavis="$sa_spam_subject_tag3"
    )
    subject_tag: ByCategory = setting(
        (),
        'Put before the Subject of mail of a category, such as { virus = "***INFECTED*** " }.',
        amavis="%subject_tag_maps_by_ccat",
    )
    spam_quarantine_cutoff_level: float | None = setting(
        None,
        "From this score on no copy of refused or delivered spam is kept; unset: never. A copy that is the only one, "
        "of discarded mail, is kept all the same.",
        amavis="$sa_quarantine_cutoff_level",
    )

    deny_senders: tuple[str, ...] = setting(
        (),
        "Mail from these is spam whatever its score. user@example.com, @example.com, @.example.com, file:/PATH, "
        "/expression/; ! before an entry makes an exception. Adds up with those of further entries, the closest first.",
        amavis="@blacklist_sender_maps",
    )
    allow_senders: tuple[str, ...] = setting(
        (), "Mail from these is never spam. Written and added up like deny_senders.", amavis="@whitelist_sender_maps"
    )
    score_senders: tuple[tuple[str, float], ...] = setting(
        (),
        'Points for mail from these, such as { "@example.com" = -2.5 }. The first match of each table counts.',
        amavis="@score_sender_maps",
    )
    allow_only_authenticated: bool = setting(
        False, "allow_senders holds only where SPF or DKIM proves the address (spamd's tests where we do not ask)."
    )
    reject_denied_at_rcpt: bool = setting(
        True, "A denied envelope sender is told so at RCPT, where spam_destiny is reject and no copy is asked for."
    )
    refuse_mail: bool = setting(False, "Refuse everything for this recipient at RCPT, with 550 5.7.1.")
    message_size_limit: int = setting(
        0,
        "Octets; a longer message is OVERSIZED, and told so at RCPT when the client says its size. 0: no limit.",
        amavis="@message_size_limit_maps",
        minimum=0,
    )

    addr_extension: ByCategory = setting(
        (),
        'Put behind the user name of recipients who are ours, such as { spam = "spam" } for user+spam@example.com; '
        "the first delimiter of local.recipient_delimiter stands between. It holds for spammy mail too, unless spammy "
        "has one of its own.",
        amavis="@addr_extension_*_maps",
    )
    addr_rewrite: ByCategory = setting(
        (),
        'Delivered mail of a category goes to this address instead, such as { banned = "checker@example.com" }.',
        amavis="%addr_rewrite_maps_by_ccat",
    )
    always_bcc: ByCategory = setting(
        (), "Delivered mail of a category goes to this address as well.", amavis="%always_bcc_by_ccat"
    )
    quarantine_to: ByCategory = setting(
        (),
        'Copies of a category are kept in this folder of the quarantine, such as { virus = "virus" }; ".": in the '
        'quarantine itself; "": none of refused or delivered mail.',
        amavis="@*_quarantine_to_maps",
    )

    store_on_reject: tuple[Category, ...] = setting(
        (Category.BANNED, Category.UNCHECKED),
        "Rejected mail of these categories is quarantined as well: those that people ask for.",
        per="recipient",
    )
    store_on_pass: tuple[Category, ...] = setting(
        (), "Delivered mail of these categories is also copied into the quarantine.", amavis="archive_quarantine_to"
    )
    discard_without_copy: tuple[Category, ...] = setting(
        (),
        "Discarded mail of these categories, and that of removed recipients, is NOT kept: it is lost for good.",
        amavis="*_quarantine_to=undef",
    )
    mixed_recipients: Mixed = setting(
        Mixed.REMOVE,
        "When some recipients pass and others do not: remove the others (their copy is kept), "
        "split them into a transaction of their own at RCPT, or let the strictest answer hold for all.",
        per="message",
    )
    dkim_sign: Sign = setting(
        Sign.ORIGINATING,
        "Which mail is signed with our keys: originating, always (in banks) or never.",
        amavis="$enable_dkim_signing",
        per="message",
    )
    arc_seal: bool = setting(
        False, "Seal what is delivered with signing.arc_domain: for recipients whose mail is forwarded to elsewhere."
    )
    protect_signatures: Protect = setting(
        Protect.OFF,
        "When our edit would break a valid DKIM signature of delivered mail: off, edit all the same; prefer_fields, "
        "put a Subject tag into X-Subject-Tag instead; never_break, change nothing that is signed.",
        per="message",
    )
    contact: str = setting(
        "", "Put behind the text of a refusal, such as a postmaster's address or a web page.", per="message"
    )

    def destiny(self, category: Category) -> Destiny:
        """Return what becomes of mail of that category, lovers included (amavis: final destiny and lover).

        SPAMMY and CLEAN always pass; FAILED is decided by the finding's own ``on_failure``.
        """
        if self.loves(category):
            return Destiny.PASS
        return {
            Category.VIRUS: self.virus_destiny,
            Category.BANNED: self.banned_destiny,
            Category.UNCHECKED: self.unchecked_destiny,
            Category.FORGED: self.dmarc_reject_destiny,
            Category.SPAM: self.spam_destiny,
            Category.BAD_HEADER: self.bad_header_destiny,
            Category.OVERSIZED: self.oversized_destiny,
        }.get(category, Destiny.PASS)

    def loves(self, category: Category) -> bool:
        return {
            Category.VIRUS: self.virus_lover,
            Category.BANNED: self.banned_lover,
            Category.UNCHECKED: self.unchecked_lover,
            Category.SPAM: self.spam_lover,
            Category.BAD_HEADER: self.bad_header_lover,
        }.get(category, False)

    def bypasses(self, category: Category) -> bool:
        return {
            Category.VIRUS: self.bypass_virus_checks,
            Category.UNCHECKED: self.bypass_virus_checks,
            Category.BANNED: self.bypass_banned_checks,
            Category.SPAM: self.bypass_spam_checks,
            Category.SPAMMY: self.bypass_spam_checks,
            Category.BAD_HEADER: self.bypass_header_checks,
        }.get(category, False)
