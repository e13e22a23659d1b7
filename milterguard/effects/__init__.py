# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders to the world: keep a copy, write the journal, write the log.

Keeping comes before the answer and may change it; everything else comes after and may fail without
anybody noticing in the SMTP session.
"""
