# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: a real Postfix, clamd, spamd and milterguard handle real mail before your eyes."""
