# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests; their tree mirrors that of the package."""
