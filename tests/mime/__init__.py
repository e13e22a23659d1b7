# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the MIME walker: goldens, mail that nobody here wrote, properties, time."""
