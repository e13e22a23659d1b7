# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of taking messages apart: each format, the sealed process, hostile archives."""
