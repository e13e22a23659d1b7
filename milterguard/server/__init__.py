# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes, sockets and libmilter: how a message reaches the guard and its verdict the MTA.

The only floor that forks, handles signals and knows the ``milter`` module. A supervisor opens the
sockets and looks after workers; a worker runs libmilter in one thread and every piece of real work
in threads that Python made, because libmilter moves a session between threads of its own (D7, D8).
"""
