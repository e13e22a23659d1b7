# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile octets by the million for whatever reads them first: nothing may be raised, nothing may take long."""
