# SPDX-License-Identifier: GPL-3.0-or-later
"""``make chaos``: workers and scanners are killed under load, and every message is accounted for."""
