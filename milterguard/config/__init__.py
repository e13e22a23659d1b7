# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings: what they are, how they are read, and the sample that is generated from them."""
