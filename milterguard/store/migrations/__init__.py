# SPDX-License-Identifier: GPL-3.0-or-later
"""How the tables came to be, step by step, for alembic."""
