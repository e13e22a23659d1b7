# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: milterguard beside its peers, under the load harness that ``BENCH`` names."""
