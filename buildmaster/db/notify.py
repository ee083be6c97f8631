"""Pokes between the masters of one PostgreSQL: ``NOTIFY`` after a batch with facts, ``LISTEN`` in a thread.

A poke carries nothing, and losing one costs no more than the interval at which the journal is looked at anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from twisted.logger import Logger

log = Logger()

CHANNEL = "buildmaster_journal"
NOTIFY = sa.text(f"NOTIFY {CHANNEL}")
RECONNECT_AFTER = 5.0  # seconds


class PostgresListener:
    """Calls ``poke`` in the reactor when another master has committed facts.

    ``call_in_reactor`` is ``reactor.callFromThread``.
    """

    def __init__(self, url: sa.URL, call_in_reactor: Callable[..., Any], poke: Callable[[], Any]) -> None:
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._call = call_in_reactor
        self._poke = poke
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="db-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End within a second."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def _run(self) -> None:
        import psycopg

        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as conn:
                    conn.execute(f"LISTEN {CHANNEL}")
                    self._call(self._poke)
                    while not self._stopping.is_set():
                        for _ in conn.notifies(timeout=0.5, stop_after=1):
                            self._call(self._poke)
            except psycopg.Error as e:
                log.warn("listening for other masters' facts failed, trying again: {error}", error=e)
                self._stopping.wait(RECONNECT_AFTER)
