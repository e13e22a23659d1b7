# SPDX-License-Identifier: GPL-3.0-or-later
# What milterguard uses of aiospamc 1.2.0, which carries no py.typed.
