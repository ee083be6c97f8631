"""What a try client sees of its builds over Perspective Broker, and what it may call.

Source: ``docs/reference/worker_protocol``, and the calls that the client of Buildbot makes.  A client that wants to
wait subscribes to the requests of its buildset, then to their builds; what it gave for that is called until it goes
away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.spread import pb

from buildmaster.base.aio import deferred

log = Logger()


class TryRefused(pb.Error):
    """The answer to a try job that cannot be built."""


class Subscription:
    """Calls one object of a client's when something happens, until the client or whoever made it ends it."""

    def __init__(self, master: Any, subscriber: Any) -> None:
        self.master = master
        self.subscriber = subscriber
        self.over = False
        self._consumers: list[Any] = []
        self._loops: list[LoopingCall] = []
        subscriber.notifyOnDisconnect(self._gone)

    async def follow(self, filter: tuple[str | None, ...], callback: Callable[[Any], Any]) -> None:
        """Have ``callback(body)`` called for these messages."""
        consumer = await self.master.mq.startConsuming(lambda key, body: callback(body), filter)
        if self.over:
            consumer.stopConsuming()
        else:
            self._consumers.append(consumer)

    def repeat(self, seconds: float, callback: Callable[[], Any]) -> None:
        """Have ``callback()`` called regularly."""
        loop = LoopingCall(callback)
        loop.clock = self.master.reactor
        loop.start(seconds, now=False)
        self._loops.append(loop)

    def call(self, name: str, *args: Any) -> None:
        """Call the client; one that does not answer is not called again."""
        if self.over:
            return
        try:
            self.subscriber.callRemote(name, *args).addErrback(self._failed, name)
        except pb.DeadReferenceError:
            self.end()

    def _failed(self, failure: Any, name: str) -> None:
        if not failure.check(pb.PBConnectionLost, pb.DeadReferenceError):
            log.warn("a try client failed at {call}: {why}", call=name, why=failure.getErrorMessage())
        self.end()

    def _gone(self, reference: Any) -> None:
        self.end()

    def end(self) -> None:
        """Call no more."""
        if self.over:
            return
        self.over = True
        self.subscriber.dontNotifyOnDisconnect(self._gone)
        for consumer in self._consumers:
            consumer.stopConsuming()
        for loop in self._loops:
            loop.stop()


class _Subscribable(pb.Referenceable):
    """What a client may subscribe to."""

    master: Any

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def _subscribe(self, subscriber: Any) -> Subscription:
        subscription = Subscription(self.master, subscriber)
        self._subscriptions = [one for one in self._subscriptions if not one.over]
        self._subscriptions.append(subscription)
        return subscription

    def remote_unsubscribe(self, subscriber: Any) -> None:
        """Call this one no more."""
        for subscription in self._subscriptions:
            if subscription.subscriber == subscriber:
                subscription.end()


class RemoteBuildSetStatus(pb.Referenceable):
    """A buildset; ``brids`` are its requests by builder id."""

    def __init__(self, master: Any, bsid: int, brids: Mapping[int, int]) -> None:
        self.master = master
        self.bsid = bsid
        self.brids = brids

    @deferred
    async def remote_getBuildRequests(self) -> list[tuple[str, RemoteBuildRequest]]:
        """(builder's name, request) of each."""
        found = []
        for builderid, brid in self.brids.items():
            builder = await self.master.data.get(("builders", str(builderid)))
            found.append((builder["name"], RemoteBuildRequest(self.master, builder["name"], brid)))
        return found


class RemoteBuildRequest(_Subscribable):
    """A request of a builder."""

    def __init__(self, master: Any, builderName: str, brid: int) -> None:
        super().__init__()
        self.master = master
        self.builderName = builderName
        self.brid = brid

    @deferred
    async def remote_subscribe(self, subscriber: Any) -> None:
        """Have ``newbuild(build, builder's name)`` called for each build of the request, those that there are first.

        A request that ends without a build is told as a build that has ended.
        """
        subscription = self._subscribe(subscriber)
        told: set[int] = set()

        def tell(build: Mapping[str, Any]) -> None:
            if build["buildrequestid"] == self.brid and build["buildid"] not in told:
                told.add(build["buildid"])
                subscription.call("newbuild", RemoteBuild(self.master, build, self.builderName), self.builderName)

        def ended(request: Mapping[str, Any]) -> None:
            if request["buildrequestid"] != self.brid:
                return
            if not told:
                subscription.call("newbuild", NoBuild(request["results"]), self.builderName)
            subscription.end()

        await subscription.follow(("builds", None, "new"), tell)
        await subscription.follow(("buildrequests", None, "complete"), ended)
        for build in await self.master.data.get(("buildrequests", str(self.brid), "builds")):
            tell(build)
        request = await self.master.data.get(("buildrequests", str(self.brid)))
        if request is not None and request["complete"]:
            ended(request)


class RemoteBuild(_Subscribable):
    """A build."""

    def __init__(self, master: Any, builddict: Mapping[str, Any], builderName: str) -> None:
        super().__init__()
        self.master = master
        self.builddict = builddict
        self.builderName = builderName
        self.buildid = builddict["buildid"]

    @deferred
    async def remote_subscribe(self, subscriber: Any, interval: float) -> None:
        """Have beginnings and ends of steps told, and every ``interval`` seconds how long the build may still take."""
        subscription = self._subscribe(subscriber)

        def started(step: Mapping[str, Any]) -> None:
            if step["buildid"] == self.buildid:
                subscription.call("stepStarted", self.builderName, self, step["name"], None)

        def finished(step: Mapping[str, Any]) -> None:
            if step["buildid"] == self.buildid:
                subscription.call("stepFinished", self.builderName, self, step["name"], None, step["results"])

        await subscription.follow(("steps", None, "started"), started)
        await subscription.follow(("steps", None, "finished"), finished)
        await subscription.follow(("builds", str(self.buildid), "finished"), lambda build: subscription.end())
        if interval:
            subscription.repeat(interval, lambda: self._tell_eta(subscription))

    def _tell_eta(self, subscription: Subscription) -> None:
        builder = self.master.botmaster.builders.get(self.builderName)
        running = [build for build in getattr(builder, "building", ()) if build.buildid == self.buildid]
        eta = running[0].eta() if running else None
        if eta is not None:
            subscription.call("buildETAUpdate", self.builderName, self, eta)

    @deferred
    async def remote_waitUntilFinished(self) -> RemoteBuild:
        """Answers, with this build, when it has ended."""
        ended: defer.Deferred[None] = defer.Deferred()

        def end(build: Mapping[str, Any]) -> None:
            if not ended.called:
                ended.callback(None)

        key = ("builds", str(self.buildid), "finished")
        consumer = await self.master.mq.startConsuming(lambda key, body: end(body), key)
        try:
            build = await self._now()
            if not build["complete"]:
                await ended
        finally:
            consumer.stopConsuming()
        return self

    async def _now(self) -> Any:
        return await self.master.data.get(("builds", str(self.buildid)))

    @deferred
    async def remote_getResults(self) -> int | None:
        """The result."""
        build = await self._now()
        results: int | None = build["results"]
        return results

    @deferred
    async def remote_getText(self) -> list[str]:
        """The result in words."""
        build = await self._now()
        return [build["state_string"]]


class NoBuild(pb.Referenceable):
    """Stands for the build of a request that has ended without one."""

    def __init__(self, results: int | None) -> None:
        self._results = results

    def remote_subscribe(self, subscriber: Any, interval: float) -> None:
        """Nothing will happen."""

    def remote_unsubscribe(self, subscriber: Any) -> None:
        """Nothing to end."""

    def remote_waitUntilFinished(self) -> NoBuild:
        """It has ended."""
        return self

    def remote_getResults(self) -> int | None:
        """The request's result."""
        return self._results

    def remote_getText(self) -> list[str]:
        """What happened."""
        return ["the request ended without a build"]


class TryPerspective(pb.Avatar):
    """What a try client that has logged in may call; ``scheduler`` does the work."""

    def __init__(self, scheduler: Any, username: str) -> None:
        self.scheduler = scheduler
        self.username = username

    def attached(self, mind: Any) -> TryPerspective:
        """A client has logged in."""
        return self

    def detached(self, mind: Any) -> None:
        """It has gone."""

    @deferred
    async def perspective_try(
        self,
        branch: Any,
        revision: Any,
        patch: Any,
        repository: Any,
        project: Any,
        builderNames: Any,
        who: Any = "",
        comment: Any = "",
        properties: Any = None,
    ) -> RemoteBuildSetStatus:
        """Build a patch; answers when the buildset is stored.  Fails with the reason if it is not."""
        try:
            job = self.scheduler.job_of(
                branch, revision, patch, repository, project, builderNames, who, comment, properties
            )
            bsid, brids = await self.scheduler.build(job, self.username)
        except ValueError as e:
            log.warn("a try job of {user} was refused: {why}", user=self.username, why=e)
            raise TryRefused(str(e)) from e
        return RemoteBuildSetStatus(self.scheduler.master, bsid, brids)

    @deferred
    async def perspective_getAvailableBuilderNames(self) -> list[str]:
        """The builders that may be asked for."""
        return list(await self.scheduler.available_builders())
