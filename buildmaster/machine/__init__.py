"""Machines that host workers: some are started when they are needed, and stopped when they are not."""
