# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m milterguard`` is the same program as ``milterguard``."""

from milterguard.cli import main

if __name__ == "__main__":
    main()
