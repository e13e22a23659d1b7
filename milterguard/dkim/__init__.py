# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM signatures and ARC chains, as values and pure functions: what is signed, by whom, and whether it holds.

Keys and body hashes are handed in. dkimpy reads tag lists and composes what we sign; what it does to
strangers' mail is done here, for it holds a message several times over, takes quadratic time on runs of
blanks and long fields, and calls an outage of the DNS a missing key.
"""
