# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for what the filter talks to, well and ill in every way."""
