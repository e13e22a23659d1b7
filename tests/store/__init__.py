# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of quarantine, journal and marks on a real file system and database."""
