"""Put a build into the queue and wake the master.

    python -m external_queue.enqueue DATABASE BUILDER [--branch B] [--revision R] [--repository URL] [--mail ADDRESS]
                                     [--port 9990]

Prints the build's id and what the master answered.  If the master is not there the build waits for it.
"""

from __future__ import annotations

import argparse
import socket

from external_queue import database


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("database")
    parser.add_argument("builder")
    parser.add_argument("--branch")
    parser.add_argument("--revision")
    parser.add_argument("--repository", default="")
    parser.add_argument("--mail")
    parser.add_argument("--port", type=int, default=9990)
    asked = parser.parse_args(arguments)
    with database.connect(asked.database) as connection:
        build = database.enqueue(
            connection.cursor(), asked.builder, asked.repository, asked.branch, asked.revision, asked.mail
        )
    connection.close()
    print(f"build {build}")
    print(kick(asked.port))


def kick(port: int, host: str = "127.0.0.1", seconds: float = 30) -> str:
    """Wake the master; what it answers."""
    try:
        with socket.create_connection((host, port), seconds) as connection:
            return connection.makefile(encoding="utf-8").read().strip()
    except OSError as error:
        return f"the master is not there ({error}): the build waits for it"


if __name__ == "__main__":
    main()
