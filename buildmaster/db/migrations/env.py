"""Alembic's entry when its own command line is used; the master's upgrades go through :mod:`buildmaster.db.migrate`."""
