# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for an address: the one order of keys, and the policies that are found with it."""
