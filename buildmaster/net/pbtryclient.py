"""The client's side of ``try`` over Perspective Broker: hand in a job, and hear how its builds go.

Speaks to this master and to a Buildbot master.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.spread import pb

from buildmaster.base.aio import deferred
from buildmaster.net import pbclient

ETA_INTERVAL = 5
"""Seconds between two guesses of how long a build may still take."""

Say = Callable[[str, str], None]
"""Called with a builder's name and what happens there."""


@deferred
async def get_builder_names(host: str, port: int, user: str, password: str, reactor: Any) -> list[str]:
    """The builders that a try job may ask for.  Raises :class:`~.pbclient.SendChangeFailed`."""
    call = pbclient.logged_in(
        host,
        port,
        user,
        password,
        reactor,
        lambda remote: remote.callRemote("getAvailableBuilderNames"),
        "the question",
    )
    return [str(name) for name in await call]


@deferred
async def send_job(
    host: str,
    port: int,
    user: str,
    password: str,
    job: Mapping[str, Any],
    reactor: Any,
    say: Say | None = None,
) -> dict[str, tuple[int | None, str]] | None:
    """Hand in a job; with ``say``, wait for its builds.

    ``job`` has branch, baserev, patch_level, patch_body, repository, project, builderNames, who, comment and
    properties.  Returns (result, words) by builder, None if it did not wait.  Raises
    :class:`~.pbclient.SendChangeFailed`.
    """
    pbclient.check_size({"the patch": job["patch_body"]})
    patch = (job["patch_level"], _as_text(job["patch_body"]))
    names = ("repository", "project", "builderNames", "who", "comment", "properties")

    @deferred
    async def work(remote: Any) -> dict[str, tuple[int | None, str]] | None:
        status = await remote.callRemote("try", job["branch"], job["baserev"], patch, *(job[name] for name in names))
        if status is None or not hasattr(status, "callRemote"):
            raise pbclient.SendChangeFailed("the master did not take the job; look into its log")
        return None if say is None else await _Watch(say).wait(status)

    return await pbclient.logged_in(host, port, user, password, reactor, work, "the job", wait=say is not None)


def _as_text(body: bytes | None) -> str | bytes | None:
    try:
        if body is None:
            return None
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body


class _Watch(pb.Referenceable):
    """Hears of the builds of one job."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._left: set[str] = set()
        self._results: dict[str, tuple[int | None, str]] = {}
        self._done: defer.Deferred[None] = defer.Deferred()

    async def wait(self, status: Any) -> dict[str, tuple[int | None, str]]:
        """How the builds of a buildset end."""
        requests: Sequence[tuple[str, Any]] = await status.callRemote("getBuildRequests")
        self._left = {str(name) for name, _ in requests}
        status.notifyOnDisconnect(self._cut_off)
        for _, request in requests:
            await request.callRemote("subscribe", self)
        if self._left:
            await self._done
        return self._results

    def _cut_off(self, reference: Any) -> None:
        if not self._done.called:
            self._done.errback(pb.PBConnectionLost("the master has gone"))

    def remote_newbuild(self, build: Any, builderName: Any) -> None:
        """A build has begun."""
        self._say(str(builderName), "build started")
        self._follow(build, str(builderName)).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        if not self._done.called:
            self._done.errback(failure)

    @deferred
    async def _follow(self, build: Any, builder: str) -> None:
        await build.callRemote("subscribe", self, ETA_INTERVAL)
        await build.callRemote("waitUntilFinished")
        results = await build.callRemote("getResults")
        text = await build.callRemote("getText")
        self._results[builder] = (results, " ".join(str(word) for word in text))
        self._left.discard(builder)
        if not self._left and not self._done.called:
            self._done.callback(None)

    def remote_stepStarted(self, builderName: Any, build: Any, stepName: Any, step: Any) -> None:
        """A step has begun."""
        self._say(str(builderName), f"step {stepName!r} started")

    def remote_stepFinished(self, builderName: Any, build: Any, stepName: Any, step: Any, results: Any) -> None:
        """A step has ended."""

    def remote_buildETAUpdate(self, builderName: Any, build: Any, eta: Any) -> None:
        """The build may take so many seconds more."""
        self._say(str(builderName), f"about {max(0, int(eta))} seconds left")
