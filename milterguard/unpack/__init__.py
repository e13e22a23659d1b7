# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes messages apart: MIME parts, then archives and documents in a sealed child process (D6)."""
