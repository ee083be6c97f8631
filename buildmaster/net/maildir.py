"""A directory into which other programs put messages: ``tmp``, ``new``, ``cur``, as in https://cr.yp.to/proto/maildir.html.

Whoever writes puts a file into ``tmp`` and renames it into ``new``; here it is taken notice of, and moved to ``cur``.
"""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from twisted.internet import defer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from buildmaster.base.aio import as_deferred, deferred, maybe
from buildmaster.service import BuildbotService

log = Logger()


class NoSuchMaildir(Exception):
    """There is no directory ``new`` where messages are expected."""


class MaildirService(BuildbotService):
    """Looks into a maildir every :attr:`pollInterval` seconds; subclasses override :meth:`messageReceived`.

    ``basedir`` is the directory; a relative one is seen from the master's.  A directory that is not there is told, and
    waited for.
    """

    name: Any = "MaildirService"
    pollInterval = 10

    def __init__(self, basedir: str | None = None, **kwargs: Any) -> None:
        self.basedir: str | None = None
        self._loop: LoopingCall | None = None
        self._looking: defer.Deferred[None] | None = None
        self._waiting: list[defer.Deferred[None]] = []
        self._missing = False
        super().__init__(**kwargs)
        if basedir is not None:
            self.setBasedir(basedir)

    def setBasedir(self, basedir: str) -> None:
        """Watch this directory."""
        self.basedir = os.path.expanduser(basedir)

    @property
    def directory(self) -> str:
        """The directory's path."""
        if self.basedir is None:
            raise NoSuchMaildir(f"{self.name} has no directory; say which by setBasedir()")
        return os.path.join(self.master.basedir, self.basedir)

    @deferred
    async def startService(self) -> None:
        """Begin to look."""
        await super().startService()
        self.start_looking()

    @deferred
    async def stopService(self) -> None:
        """Look no more; the message that is being taken notice of is waited for."""
        await self.stop_looking()
        await super().stopService()

    def start_looking(self) -> None:
        """Look now, and then regularly."""
        if self._loop is None:
            self._loop = LoopingCall(self.poll)
            self._loop.clock = self.master.reactor
            self._loop.start(self.pollInterval)

    async def stop_looking(self) -> None:
        """Look no more."""
        loop, self._loop = self._loop, None
        if loop is not None and loop.running:
            loop.stop()
        if self._looking is not None:
            ended: defer.Deferred[None] = defer.Deferred()
            self._waiting.append(ended)
            await ended

    def dnotify_callback(self) -> Any:
        """Look now: the directory has changed."""
        return self.poll()

    def poll(self) -> defer.Deferred[None]:
        """Look once; a Deferred that fires when all messages that were there have been taken notice of."""
        if self._looking is None:
            self._looking = as_deferred(self._look())
            self._looking.addBoth(self._looked)
            return self._looking if self._looking is not None else defer.succeed(None)
        return defer.succeed(None)

    def _looked(self, result: Any) -> Any:
        self._looking = None
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None)
        return result

    async def _look(self) -> None:
        for name in self._names():
            if self._loop is None:
                return
            try:
                await maybe(self.messageReceived, name)
            except Exception:  # policy: retry at the next look; the others come first
                log.failure("{name}: message {file} could not be taken; it is tried again", name=self.name, file=name)

    def _names(self) -> list[str]:
        new = os.path.join(self.directory, "new")
        try:
            names = sorted(name for name in os.listdir(new) if not name.startswith("."))
        except OSError as e:
            if not self._missing:
                log.error("{me}: {dir} cannot be read: {why}; it is waited for", me=self.name, dir=new, why=e.strerror)
            self._missing = True
            return []
        self._missing = False
        return names

    def messageReceived(self, filename: str) -> Any:
        """A message is in ``new``, in this file; may return a Deferred.  Raising leaves it to the next look."""
        raise TypeError(f"{type(self).__name__} does not define messageReceived")

    def moveToCurDir(self, filename: str) -> BinaryIO:
        """Move a message from ``new`` to ``cur``; the open file."""
        place = os.path.join(self.directory, "cur", filename)
        os.rename(os.path.join(self.directory, "new", filename), place)
        return open(place, "rb")

    def open_message(self, filename: str) -> BinaryIO:
        """A message where it is, in ``new``; the open file."""
        return open(os.path.join(self.directory, "new", filename), "rb")
