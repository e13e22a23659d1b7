# SPDX-License-Identifier: GPL-3.0-or-later
"""Values and pure functions: what a message is, what was found, what is to be done.

Nothing in here reads a clock, a file, a socket or a random number; the import contracts in
``pyproject.toml`` hold it to that. What a module needs from the world it is handed.
"""
