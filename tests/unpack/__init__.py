# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the checks: fakes for what each can be told, the real scanners for what they do tell."""
