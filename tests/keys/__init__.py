# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in files, in a table, in a process of their own."""
