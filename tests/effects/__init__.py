# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what is done beside the answer: log, journal, quarantine, release."""
