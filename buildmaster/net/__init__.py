"""Talking to the world outside: ports, child processes, version-control commands."""
