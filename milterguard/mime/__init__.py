# SPDX-License-Identifier: GPL-3.0-or-later
"""MIME as attackers write it: every reading that some mail program may have, in linear time.

Pure functions over octets. Nothing here raises, recurses or is unbounded, whatever the octets.
"""
