"""The HTTP server's factory: sessions, the access log with its rotation, and headers for every answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.python.logfile import LogFile
from twisted.web import server

from buildmaster.www import headers
from buildmaster.www.session import BuildbotSession

#: a request body larger than this is refused with 413 before it is read into memory
MAX_BODY_BYTES = 32 * 1024 * 1024


class BuildbotRequest(server.Request):
    """A request whose body is bounded."""

    site: Any
    channel: Any

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.channel.site.max_body_bytes:
            self._refuse()
            return
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        if self.content is not None and self.content.tell() + len(data) > self.channel.site.max_body_bytes:
            self._refuse()
            return
        super().handleContentChunk(data)

    def _refuse(self) -> None:
        words = b"the body is larger than the %d bytes that are read\n" % self.channel.site.max_body_bytes
        head = b"Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(words)
        self.channel.transport.write(b"HTTP/1.1 413 Content Too Large\r\n" + head + words)
        self.channel.loseConnection()


class BuildbotSite(server.Site):
    """Serves ``root``; access log at ``logPath`` (None: no file), rotated at ``rotateLength`` bytes."""

    master: Any = None
    requestFactory = BuildbotRequest
    max_body_bytes = MAX_BODY_BYTES
    noisy = False  # that it listens is told by the port

    def __init__(
        self,
        root: Any,
        logPath: str | None,
        rotateLength: int | None,
        maxRotatedFiles: int | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.rotateLength = rotateLength
        self.maxRotatedFiles = maxRotatedFiles
        self.clock = clock
        self.session_secret: str | bytes = b""
        self.session_lasts = BuildbotSession.expDelay
        super().__init__(root, requestFactory=self.requestFactory, logPath=logPath)
        self.displayTracebacks = False

    def _openLogFile(self, path: Any) -> Any:
        """Twisted asks for its access log here."""
        return LogFile.fromFullPath(path, rotateLength=self.rotateLength, maxRotatedFiles=self.maxRotatedFiles)

    def log_to(self, path: str | None, rotateLength: int, maxRotatedFiles: int | None) -> None:
        """Write the access log there from now on."""
        wanted = (path, rotateLength, maxRotatedFiles)
        if wanted == (self.logPath, self.rotateLength, self.maxRotatedFiles):
            return
        self.logPath, self.rotateLength, self.maxRotatedFiles = wanted
        if self.numPorts:  # it is open already
            self.stopFactory()
            self.startFactory()

    def getResourceFor(self, request: Any) -> Any:
        """Every answer gets the common headers, whoever renders it."""
        headers.common(request)
        return super().getResourceFor(request)

    def setSessionSecret(self, secret: str | bytes) -> None:
        """The secret that sessions are signed with."""
        self.session_secret = secret

    def makeSession(self) -> BuildbotSession:
        """A session of a visitor who has none."""
        return BuildbotSession(self)

    def getSession(self, uid: bytes) -> BuildbotSession:
        """The session of a cookie's value; raises KeyError if it is not valid."""
        return BuildbotSession(self, uid)
