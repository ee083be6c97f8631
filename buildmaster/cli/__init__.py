"""The command line: one module a verb, found by :mod:`buildmaster.cli.main`."""
