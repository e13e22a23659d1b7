# SPDX-License-Identifier: GPL-3.0-or-later
"""What must outlive the process: withheld mail, the journal, marks of used release tokens.

*Errors:* StoreError and NotFoundError for everything that a disk or database refuses; ConfigError
for an address that can never work.
"""
