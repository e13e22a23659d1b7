# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests against the real Postfix, clamd and spamd."""
