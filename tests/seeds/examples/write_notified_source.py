# Texts 000 and 002, Writing a Notification-based Change Source: what the words describe.
from buildbot.changes.base import ChangeSource
from twisted.internet import defer, protocol
from twisted.protocols import basic
from twisted.python import log


class Line(basic.LineOnlyReceiver):
    """A line is a revision, its author and the files that it changed: ``r1 ann hello.c README``."""

    delimiter = b"\n"

    def lineReceived(self, line):
        revision, author, *files = line.decode().split()
        self.factory.source.received(revision, author, files)


class LineListener(ChangeSource):
    """Takes the changes that a hook of a version control system sends to a port."""

    compare_attrs = ("port",)  # another port makes it another source

    def __init__(self, port, name="lines"):
        super().__init__(name=name)
        self.port = port

    def describe(self):
        return f"LineListener on port {self.port}"

    def startService(self):
        factory = protocol.Factory.forProtocol(Line)
        factory.source = self
        self.listening = self.master.reactor.listenTCP(self.port, factory)
        return super().startService()

    @defer.inlineCallbacks
    def stopService(self):
        yield self.listening.stopListening()
        yield super().stopService()

    def received(self, revision, author, files):
        d = self.master.data.updates.addChange(author=author, revision=revision, files=files, comments="")
        d.addErrback(log.err, "a change was not taken")


c["change_source"] = [LineListener(8990)]
