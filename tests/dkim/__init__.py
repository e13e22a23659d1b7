# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures and chains: made by us, by others, and by those who wish they had made them."""
