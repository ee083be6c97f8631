"""contrib/external_queue: the configuration of its guide, with a real worker, a real mail server and real clients."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import defer
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread

from buildmaster.base.errors import ConfigErrors
from tests.support.mailbox import Mailbox
from tests.support.printed import printed_config
from tests.support.real_workers import Site

pytestmark = pytest.mark.needs("buildbot-worker")
CONTRIB = Path(__file__).parents[2] / "contrib"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    yield box
    box.close()


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(CONTRIB))
    import external_queue.database
    import external_queue.enqueue

    yield external_queue
    for name in [name for name in sys.modules if name.partition(".")[0] == "external_queue"]:
        del sys.modules[name]


class Queue:
    """A master with the guide's configuration, on ports that are free; builds of the branch ``broken`` fail."""

    def __init__(self, path: Path, package: Any, mailbox: Mailbox) -> None:
        stands_for = {
            "port=9990": "port=0, interval=1",
            "smtpPort=25": f"smtpPort={mailbox.port}",
            '["make", "all"]': '["sh", "-c", util.Interpolate("test %(src::branch)s != broken")]',
        }
        config = printed_config(CONTRIB / "external_queue" / "master.cfg", stands_for)
        self.package, self.mailbox = package, mailbox
        self.file = path / "master" / "builds.sqlite"
        self.site = Site(path, config)

    def start(self) -> Queue:
        self.site.run(self.site.start())
        self.site.run(self.site.attached("here"))
        return self

    @property
    def service(self) -> Any:
        return self.site.master.service_manager.namedServices["external_queue"]

    def add(self, builder: str = "nightly", **fields: Any) -> int:
        with self.package.database.connect(self.file) as connection:
            return self.package.database.enqueue(connection.cursor(), builder, **fields)

    def kick(self) -> str:
        return self.site.run(deferToThread(self.package.enqueue.kick, self.service.port))

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.file) as connection:
            return connection.execute(f"SELECT {', '.join(columns)} FROM builds ORDER BY id").fetchall()

    def change(self, statement: str) -> None:
        with sqlite3.connect(self.file) as connection:
            connection.executescript(statement)

    def until(self, **columns: list[Any]) -> None:
        """Wait until the builds look like this."""

        def there() -> bool:
            return all([value for (value,) in self.rows(column)] == values for column, values in columns.items())

        self.site.run(self.site.until(there, f"the builds look like {columns}"))

    def builds(self) -> list[Any]:
        return self.site.run(self.site.get("builds"))


def test_builds_of_a_queue(tmp_path: Path, package: Any, mailbox: Mailbox) -> None:
    """The mails' story: kicked while idle, the next one by itself, the database told, people told."""
    queue = Queue(tmp_path, package, mailbox).start()
    try:
        assert queue.kick() == "nothing waits"
        queue.add(branch="main", requested_by="ada@example.org")
        assert queue.kick() == "build 1 is started as buildset 1"
        queue.until(mail=["sent"])
        queue.add(branch="broken"), queue.add(branch="main"), queue.add("weekly", branch="main")
        assert queue.kick() == ("build 2 is started as buildset 2; build 4 is refused: there is no builder weekly")
        queue.until(mail=["sent"] * 4)
        ended = "http://ci.example.org/#/builders/1/builds/"
        assert queue.rows("state", "buildset", "url") == [
            ("success", 1, ended + "1"),
            ("failure", 2, ended + "2"),
            ("success", 3, ended + "3"),
            ("refused", None, None),
        ]
        assert all(end >= begun > 1.6e9 for begun, end in queue.rows("started_at", "finished_at")[:3])
        assert sorted((to, str(mail["Subject"])) for to, mail in mailbox.letters) == [
            ("ada@example.org", "success: build 1 of nightly"),
            ("team@example.org", "failure: build 2 of nightly"),
            ("team@example.org", "refused: build 4 of weekly"),
            ("team@example.org", "success: build 1 of nightly"),
            ("team@example.org", "success: build 3 of nightly"),
        ]
        assert "Build time: " in mailbox.letters[0][1].get_content()
    finally:
        queue.site.run(queue.site.stop())
    crashed(queue, Queue(tmp_path, package, mailbox))


def crashed(before: Queue, queue: Queue) -> None:
    """What the database would hold after a kill at the worst moments, then another master."""
    queue.change("UPDATE builds SET state='starting', buildset=NULL, finished_at=NULL, mail=NULL WHERE id IN (1, 4)")
    queue.change("UPDATE builds SET builder='nightly' WHERE id = 4")  # asked for just after it was marked: never stored
    queue.change("INSERT INTO build_queue (build) VALUES (1), (4)")  # stored, but that was not noted any more
    queue.change("UPDATE builds SET state='running', finished_at=NULL, mail=NULL WHERE id = 2")  # ended meanwhile
    queue.mailbox.refuses = True
    queue.start()
    try:
        queue.until(state=["success", "failure", "success", "success"])
        assert [build["buildrequestid"] for build in queue.builds()] == [1, 2, 3, 4]
        queue.site.run(queue.site.until(lambda: all(n for (n,) in queue.rows("mail_tries")), "mails are tried"))
        queue.mailbox.refuses = False
        queue.until(mail=["sent"] * 4)
    finally:
        queue.site.run(queue.site.stop())
    repeated = [str(mail["Message-ID"]) for _, mail in queue.mailbox.letters]
    assert len(set(repeated)) == 4


def test_it_says_what_it_waits_for(tmp_path: Path, package: Any, mailbox: Mailbox) -> None:
    queue = Queue(tmp_path, package, mailbox)
    assert "the master is not there" in package.enqueue.kick(mailbox.port + 1 if mailbox.port < 65535 else 1)
    queue.start()
    try:
        control = queue.site.master.data.control
        queue.site.run(control("pause", {"reason": "dinner"}, ("workers", "here")))
        queue.add(branch="main")
        assert queue.kick() == "build 1 waits: no worker of builder nightly is idle"
        queue.site.run(control("unpause", {}, ("workers", "here")))
        queue.until(state=["success"])
    finally:
        queue.site.run(queue.site.stop())


def test_a_herd_at_the_port_is_sent_away(package: Any) -> None:
    from external_queue import listener

    answer: defer.Deferred[str] = defer.Deferred()
    looks: list[int] = []

    def look() -> defer.Deferred[str]:
        looks.append(1)
        return answer if len(looks) == 1 else defer.succeed("nothing waits")

    factory = listener.TriggerFactory(look)
    factory.open = listener.MOST_CONNECTIONS - 1
    clients = [(factory.buildProtocol(None), StringTransport()) for _ in range(3)]
    for protocol, transport in clients:
        protocol.makeConnection(transport)
    answer.callback("build 1 is started")
    assert [transport.value() for _, transport in clients] == [b"build 1 is started\n", b"", b""]
    assert [transport.disconnecting or transport.disconnected for _, transport in clients] == [True] * 3
    assert len(looks) == 1
    for protocol, _ in clients:
        protocol.connectionLost()
    assert factory.open == listener.MOST_CONNECTIONS - 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"fromaddr": "nobody"}, "must be a mail address"),
        ({"extraRecipients": "team@example.org"}, "must be a mail address"),
        ({"interval": 0}, "interval=0"),
        ({"smtpUser": "x"}, "smtpUser and smtpPassword"),
    ],
)
def test_wrong_arguments_are_told(package: Any, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        package.ExternalQueue(**{"port": 1, "database": "x", "fromaddr": "a@b", **arguments})
    assert told in str(raised.value)
