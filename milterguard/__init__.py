# SPDX-License-Identifier: GPL-3.0-or-later
"""milterguard: the mail filter that answers in the live SMTP session."""

__version__ = "0.1.0"
