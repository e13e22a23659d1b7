# SPDX-License-Identifier: GPL-3.0-or-later
"""What alembic runs for each command: it is handed a connection and never makes one.

``store/migrate.py`` puts the connection into the configuration's attributes; there is no alembic.ini.
"""

from alembic import context

from milterguard.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most things of a table; alembic copies it instead.
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
