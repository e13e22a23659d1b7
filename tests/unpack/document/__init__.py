# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that carry other files, or macros."""
