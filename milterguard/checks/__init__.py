# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the world: one file for each scanner, one contract for all (``checks/base.py``)."""
