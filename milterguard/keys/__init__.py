# SPDX-License-Identifier: GPL-3.0-or-later
"""The private keys that mail is signed with: in files, in a database, or in a process of its own."""
