"""Services that post to web hooks: they post a delivery again until it is taken, as GitHub's people do by hand.

An answer 2xx must mean that all changes of the delivery are stored; any other, or none, only that it may be sent
again: nothing of it may then be stored twice, or in part.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import attrs

from tests.simulation.histories import Hook
from tests.support.hook_payloads import github_commit, github_push
from tests.support.http import Client, Connection

PATIENCE = 10.0
"""Seconds after which a sender hangs up and posts again."""


@attrs.define
class Delivery:
    """One request, perhaps repeated."""

    event: Hook
    taken: bool = False
    refusal: str = ""
    connection: Connection | None = None
    since: float = 0.0
    heard: bytes = b""
    posts: int = 0


class Senders:
    """All who post to one master."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.deliveries: list[Delivery] = []
        self.wrong: list[str] = []

    def add(self, event: Hook) -> None:
        """There is something to be told to the master."""
        self.deliveries.append(Delivery(event))

    @property
    def waits(self) -> bool:
        """Whether something has not been taken yet."""
        return any(not delivery.taken for delivery in self.deliveries)

    def post(self, kit: Any) -> None:
        """Post what has not been taken, again where that has failed or takes too long."""
        now = kit.reactor.seconds()
        for delivery in self.deliveries:
            if delivery.taken or (delivery.connection is not None and now - delivery.since < PATIENCE):
                continue
            if delivery.connection is not None:
                delivery.connection.hang_up()
            delivery.connection, delivery.heard, delivery.since = None, b"", now
            delivery.posts += 1
            delivery.connection = _open(kit, delivery.event)
        self.hear(kit)

    def hear(self, kit: Any) -> None:
        """Take the answers that have come."""
        for delivery in self.deliveries:
            if delivery.connection is None:
                continue
            delivery.heard += delivery.connection.wire.drain()
            head, whole, _ = delivery.heard.partition(b"\r\n\r\n")
            if not whole:
                continue
            connection, delivery.connection = delivery.connection, None
            status = int(head.split()[1])
            connection.hang_up()
            if 200 <= status < 300:
                delivery.taken = True
                self.wrong += self._missing(delivery)
            delivery.refusal = delivery.heard.decode()

    def cut(self) -> None:
        """The master has ended, and all connections with it."""
        for delivery in self.deliveries:
            delivery.connection = None

    def _missing(self, delivery: Delivery) -> list[str]:
        counts = self._counts(delivery.event)
        return [
            f"{delivery.event.delivery} was taken, but {revision} is stored {count} times"
            for revision, count in counts.items()
            if count != 1
        ]

    def _counts(self, event: Hook) -> dict[str, int]:
        count = "SELECT count(*) FROM changes WHERE revision = ?"
        return {revision: self._rows.column(count, revision)[0] for revision in event.revisions}

    # -- judging -----------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What must never be: half a delivery."""
        wrong = list(self.wrong)
        for delivery in self.deliveries:
            if not delivery.taken and len(set(self._counts(delivery.event).values())) > 1:
                wrong.append(f"{delivery.event.delivery} is stored in part")
        return wrong

    def final_problems(self) -> list[str]:
        """What must not be when all had time enough."""
        wrong = list(self.wrong)
        for delivery in self.deliveries:
            if not delivery.taken:
                wrong.append(f"{delivery.event.delivery} is never taken: {delivery.refusal!r}")
            wrong += self._missing(delivery)
        return wrong


def _open(kit: Any, event: Hook) -> Connection:
    if event.dialect == "base":
        (revision,) = event.revisions
        fields = {"author": "h", "revision": revision, "comments": revision, "branch": event.branch, "repository": "r"}
        body = urlencode({**fields, "files": json.dumps([event.file])}).encode()
        headers = {"content_type": "application/x-www-form-urlencoded", "idempotency_key": event.delivery}
        return Client(kit).open("POST", "/change_hook/base", body, headers)
    commits = [github_commit(revision, revision, modified=[event.file]) for revision in event.revisions]
    payload = github_push(f"refs/heads/{event.branch}", commits=commits, head_commit=commits[-1])
    headers = {
        "content_type": "application/json",
        "x_github_event": "push",
        "x_github_delivery": event.delivery,
    }
    return Client(kit).open("POST", "/change_hook/github", json.dumps(payload).encode(), headers)
