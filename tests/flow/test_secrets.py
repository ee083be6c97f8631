"""A build that tells its secret in every way it can: nobody else gets to know it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buildmaster.base.aio import deferred
from buildmaster.base.results import FAILURE, SUCCESS
from buildmaster.config.builder import BuilderConfig
from buildmaster.db import logs, reasons
from buildmaster.process.buildstep import BuildStep
from buildmaster.process.factory import BuildFactory
from buildmaster.properties import Interpolate, Property, Secret
from buildmaster.reporters.generators.build import BuildStatusGenerator
from buildmaster.reporters.mail import MailNotifier
from buildmaster.reporters.message import MessageFormatter
from buildmaster.schedulers.basic import AnyBranchScheduler
from buildmaster.schedulers.triggerable import Triggerable
from buildmaster.secrets.providers.file import SecretInAFile
from buildmaster.steps.master import SetProperty
from buildmaster.steps.shell import SetPropertyFromCommand, ShellCommand
from buildmaster.steps.trigger import Trigger
from buildmaster.testing.master import MemoryMaster
from buildmaster.testing.worker import Command, ScriptedWorker
from buildmaster.worker.base import Worker
from tests.support.http import Client

PASSWORD = "hunter2 & 'friends'"
KEY = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----"
PARTS = ("hunter2", "friends'", "MIIEowIBAAKCAQEA")


class Blab(BuildStep):
    """Tells what it knows wherever a step can tell something."""

    renderables = ["password"]

    def __init__(self, password: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.password = password

    @deferred
    async def addTestResultSets(self) -> None:
        self.tests = await self.addTestResultSet("tests", "pass_fail", "boolean")

    @deferred
    async def run(self) -> int:
        secret = self.password
        self.setProperty("plain", secret)
        self.setProperty("nested", {"list": [f"with {secret}"]})
        self.build.setStateString(f"busy with {secret}")
        await self.addURL(f"link {secret}", f"http://u:{secret}@host/")
        await self.addCompleteLog(f"log of {secret}", f"all: {secret}")
        await self.addHTMLLog("page", f"<b>{secret}</b> {secret.replace('&', '&amp;')}")
        log = await self.addLog("mixed")
        for channel in (log.addStdout, log.addStderr, log.addHeader):
            for at in range(0, len(KEY), 7):
                channel(KEY[at : at + 7])
            channel(f"\n{secret}\n")
        log.addRawLines(f"o{secret}\nh{secret}\n")
        plain = await self.addLog("plain", type="t")
        plain.addContent(secret[:9])
        plain.addContent(secret[9:])
        await self.setBuildData("data", f"data {secret}".encode(), "source")
        await self.addTestResult(self.tests, f"0 {secret}", test_name=f"test {secret}")
        self.updateSummary()
        raise RuntimeError(f"because of {secret}")

    def getResultSummary(self) -> dict[str, str]:
        return {"step": f"done with {self.password}", "build": f"built with {self.password}"}


async def gossip(master: Any, buildid: int, secret: str) -> None:
    """Somebody tells of a build behind its back: by the update methods and the connectors."""
    updates, db = master.data.updates, master.db
    build = await master.data.get(("builds", buildid))
    stepid, *_ = await updates.addStep(buildid, "gossip")
    await updates.setStepStateString(stepid, f"updates {secret}")
    await updates.addStepURL(stepid, f"updates {secret}", f"http://u:{secret}@host/")
    await db.steps.addURL(stepid, f"db {secret}", f"http://db:{secret}@host/")
    logid = await updates.addLog(stepid, f"updates {secret}", "s")
    await updates.appendLog(logid, f"oupdates {secret}\ne" + KEY.replace("\n", "\ne") + "\n")
    await db.logs.appendLog(logid, f"odb {secret}\n")
    await updates.finishLog(logid)
    await updates.setBuildProperty(buildid, "by updates", [f"updates {secret}"], "me")
    await db.builds.setBuildProperty(buildid, "by db", f"db {secret}", "me")
    await updates.setBuildData(buildid, "gossip", f"updates {secret}".encode(), "me")
    await updates.setBuildStateString(buildid, f"updates {secret}")
    setid = await updates.addTestResultSet(build["builderid"], buildid, stepid, "d", "c", "u")
    await updates.addTestResults(build["builderid"], setid, [{"test_name": secret, "value": secret}])
    await updates.addChange(
        author=f"me {secret}", comments=f"use {secret} and hunter", revision="1", repository="r", files=["f"]
    )


class Postbox(MailNotifier):
    """Keeps mails instead of sending them."""

    mails: list[str]

    @deferred
    async def sendMail(self, m: Any, recipients: Any) -> list[Any]:
        parts = [part.get_payload(decode=True) or b"" for part in m.walk()]
        self.mails = [*getattr(self, "mails", []), "\n".join([m.as_string(), *(part.decode() for part in parts)])]
        return []


def postbox() -> Postbox:
    """Writes all it can know of a build, and knows a secret itself."""
    words = MessageFormatter(
        template="{{ build }} {{ build['properties'] }} {{ build['steps'] }} {{ summary }}",
        want_properties=True,
        want_steps=True,
        want_logs=True,
        want_logs_content=True,
    )
    return Postbox(
        "ci@example.org",
        extraRecipients=["all@example.org"],
        smtpUser="ci",
        smtpPassword=Secret("password"),
        generators=[BuildStatusGenerator(mode="all", message_formatter=words, add_logs=True)],
        name="postbox",
    )


async def chatter(command: Command) -> None:
    """A worker that shows what it was given, in unlucky pieces."""
    words = command.args.get("command")
    env = command.args.get("env") or {}
    if words is None:
        command.rc(0)
        return
    command.header(f"argv: {words!r}\n environment:\n" + "".join(f"  {key}={env[key]}\n" for key in env))
    text = f"{words} {env}\n{PASSWORD}\n{KEY}\r\n"
    for at in range(0, len(text), 5):
        command.out(text[at : at + 5])
        command.err(text[at : at + 5])
        command.log("trace", text[at : at + 5])
    command.rc(1 if words == "fail" else 0)


def config(directory: Path) -> dict[str, Any]:
    env = {"PW": Secret("password"), "KEY": Interpolate("%(secret:key)s")}
    factory = BuildFactory(
        [
            ShellCommand(name="cmd", command=["curl", Interpolate("-uu:%(secret:password)s")], env=env),
            ShellCommand(name="files", command=Interpolate("x %(secret:key)s"), logfiles={"trace": "t"}, env=env),
            ShellCommand(name=Interpolate("named %(secret:password)s"), command="fail", flunkOnFailure=False),
            SetPropertyFromCommand(name="prop", command=["cat"], property="output", env=env),
            SetProperty(name="set", property="own", value=Secret("password")),
            ShellCommand(name="user", command=["su", Secret("user")]),
            Blab(name="blab", password=Secret("password"), flunkOnFailure=False),
            Trigger(
                name="like",
                schedulerNames=["other"],
                copy_properties=["owner"],
                set_properties={
                    "user": "bobby",
                    "whose": Property("owner"),
                    "in": Interpolate("%(prop:buildername)s"),
                },
                alwaysRun=True,
            ),
            Trigger(name="on", schedulerNames=["other"], set_properties={"pw": Secret("password")}, alwaysRun=True),
        ]
    )
    return {
        "buildbotURL": "http://ci.example:8010/",
        "workers": [Worker("w", Secret("password"))],
        "protocols": {"pb": {"port": 9989}},
        "www": {"port": 8010},
        "services": [postbox()],
        "secretsProviders": [SecretInAFile(dirname=str(directory))],
        "builders": [
            BuilderConfig(name="b", workernames=["w"], factory=factory),
            BuilderConfig(name="other", workernames=["w"], factory=BuildFactory()),
        ],
        "schedulers": [
            Triggerable(name="go", builderNames=["b"]),
            Triggerable(name="other", builderNames=["other"]),
        ],
    }


class Told:
    """All that came of the build: in the database, in events and on pages."""

    def __init__(self, basedir: Path) -> None:
        secrets = basedir / "secrets"
        secrets.mkdir()
        for name, text in (("password", PASSWORD), ("key", KEY + "\n"), ("user", "bob")):
            (secrets / name).write_text(text)
            (secrets / name).chmod(0o600)
        (basedir / "master").mkdir()
        self.kit = MemoryMaster(basedir / "master", lambda: config(secrets)).start()
        self.client = Client(self.kit)
        self.events: list[Any] = []
        self.kit.call(self.kit.master.mq.startConsuming, lambda *event: self.events.append(event), (None, None, None))
        self.worker = ScriptedWorker(self.kit.master, "w", chatter)
        self.kit.wait_for(self.worker.connect())
        builderid = self.kit.get("builders", "b")["builderid"]
        add = self.kit.master.data.updates.addBuildset
        self.kit.call(
            add,
            waited_for=False,
            builderids=[builderid],
            sourcestamps=[{"codebase": ""}],
            reason="test",
            properties={"owner": ("bob@example.org", "test")},
        )
        self.kit.advance(30)
        self.kit.call(gossip, self.kit.master, 1, PASSWORD)
        self.steps = {step["name"]: step for step in self.kit.get("builds", 1, "steps")}
        self.logs = {(log["stepid"], log["name"]): self.text_of(log["logid"]) for log in self.all_logs()}

    @property
    def postbox(self) -> Any:
        return self.kit.master.service_manager.namedServices["postbox"]

    def all_logs(self) -> Iterator[Any]:
        for step in self.steps.values():
            yield from self.kit.get("steps", step["stepid"], "logs")

    def text_of(self, logid: int) -> str:
        return self.kit.wait_for(self.kit.master.db.read(logs.read_lines, logid, 0, 10**9))

    def log(self, step: str, name: str = "stdio") -> str:
        return self.logs[self.steps[step]["stepid"], name]

    def pages(self) -> Iterator[tuple[str, str]]:
        """Pages and REST answers with anything of the build on them."""
        paths = [
            "/",
            "/builders",
            "/builders/1",
            "/builders/1/builds/1",
            "/workers",
            "/workers/1",
            "/changes",
            "/about",
        ]
        api = [
            "builds",
            "builds/1",
            "builds/1/steps",
            "builds/1/properties",
            "builds/1/data",
            "builds/1/data/data/value",
        ]
        api += [
            "builders",
            "workers",
            "schedulers",
            "buildsets",
            "buildrequests",
            "test_result_sets/1/results",
            "masters",
        ]
        for log in self.all_logs():
            api += [f"logs/{log['logid']}/{form}" for form in ("contents", "raw", "raw_inline")]
            paths.append(f"/builders/1/builds/1/steps/{log['stepid']}/logs/{log['slug']}")
        for path in [*paths, *(f"/api/v2/{one}" for one in api)]:
            yield path, self.client.get(path).text


@pytest.fixture(scope="module")
def told(tmp_path_factory: Any) -> Iterator[Told]:
    made = Told(tmp_path_factory.mktemp("told"))
    yield made
    if made.kit.master.running:
        made.kit.stop()


def leaks(text: str) -> list[str]:
    return [part for part in PARTS if part in text]


def test_the_steps_ran_and_used_the_secrets(told: Told):
    results = {name: step["results"] for name, step in told.steps.items()}
    assert (results["cmd"], results["files"], results["named <password>"]) == (SUCCESS, SUCCESS, FAILURE)
    assert told.worker.commands[0].args["command"] == ["curl", f"-uu:{PASSWORD}"]
    assert told.worker.commands[0].args["env"]["KEY"] == KEY


def test_logs_show_the_names_in_place_of_the_values(told: Told):
    assert told.log("cmd").startswith(
        "hargv: ['curl', \"-uu:<password>\"]\nh environment:\nh  PW=<password>\nh  KEY=<key>\n"
    )
    assert told.log("files", "trace").endswith("o<password>\no<key>\n")
    assert told.log("blab", "log of <password>") == "all: <password>\n"
    assert told.log("blab", "page") == "<b>&lt;password&gt;</b> &lt;password&gt;\n"
    assert told.log("blab", "plain") == "<password>\n"
    mixed = told.log("blab", "mixed")
    assert sorted(mixed.splitlines()) == [
        "e<key>",
        "e<password>",
        "h<key>",
        *["h<password>"] * 2,
        "o<key>",
        *["o<password>"] * 2,
    ]
    assert "RuntimeError: because of <password>" in told.log("blab", "err.text")


def test_texts_links_and_properties_show_the_names(told: Told):
    assert told.steps["blab"]["state_string"] == "done with <password>"
    assert told.steps["blab"]["urls"] == [{"name": "link <password>", "url": "http://u:<password>@host/"}]
    assert told.steps["named <password>"]["state_string"] == "'fail' (failure)"
    properties = {name: value for name, (value, _) in told.kit.get("builds", 1, "properties").items()}
    assert (properties["plain"], properties["nested"]) == ("<password>", {"list": ["with <password>"]})
    assert properties["own"] == "<password>"


def test_what_others_write_about_the_build_shows_the_names_too(told: Told):
    """By ``data.updates`` and the connectors, which know of a build its id only."""
    step = told.steps["gossip"]
    assert step["state_string"] == "updates <password>"
    assert step["urls"] == [
        {"name": "updates <password>", "url": "http://u:<password>@host/"},
        {"name": "db <password>", "url": "http://db:<password>@host/"},
    ]
    first, _, *last = told.log("gossip", "updates <password>").splitlines()
    assert (first, last[-1]) == ("oupdates <password>", "odb <password>")
    properties = told.kit.get("builds", 1, "properties")
    assert properties["by updates"] == (["updates <password>"], "me")
    assert properties["by db"] == ("db <password>", "me")
    assert told.kit.get("builds", 1, "data", "gossip", "value")["raw"] == b"updates <password>"
    (result,) = told.kit.get("test_result_sets", 2, "results")
    assert (result["test_name"], result["value"]) == ("<password>", "<password>")


def test_texts_of_a_change_show_the_name(told: Told):
    change = told.kit.get("changes", 1)
    assert (change["author"], change["comments"]) == ("me <password>", "use <password> and hunter")


def test_no_request_is_made_that_would_hold_a_secret(told: Told):
    assert "property 'pw' for the triggered builds would hold the secret 'password'" in told.log("on", "err.text")
    assert [buildset["parent_relationship"] for buildset in told.kit.get("buildsets")] == [None, "Triggered from"]


def test_what_was_there_before_a_secret_was_used_only_looks_like_it(told: Told):
    """A user's name may be a secret, and stand in properties that were never one."""
    given = {name: value for name, (value, _) in told.kit.get("buildsets", 2, "properties").items()}
    assert given == {"scheduler": "other"} | {
        "owner": "bob@example.org",
        "user": "bobby",
        "whose": "bob@example.org",
        "in": "b",
    }
    assert told.kit.get("builds", 1, "properties")["owner"] == ("bob@example.org", "test")
    assert told.steps["user"]["state_string"] == "'su <user>'"


def test_no_page_and_no_answer_tells_a_secret(told: Told):
    found = list(told.pages())
    assert [path for path, text in found if leaks(text)] == []
    assert len(found) > 50 and sum("&lt;password&gt;" in text or "<password>" in text for _, text in found) > 10


def test_no_mail_tells_a_secret(told: Told):
    mail = "".join(told.postbox.mails)
    assert leaks(mail) == []
    assert "with <password>" in mail and "RuntimeError: because of <password>" in mail


def test_services_and_workers_have_their_secrets(told: Told):
    assert told.postbox.smtpPassword == PASSWORD
    assert told.kit.master.workers.getWorkerByName("w").password == PASSWORD


def test_no_event_tells_a_secret(told: Told):
    assert len(told.events) > 20
    assert leaks(json.dumps([body for _, body in told.events], default=str)) == []


def test_no_row_of_the_database_holds_a_secret(told: Told):
    told.kit.stop()
    with sqlite3.connect(told.kit.master.basedir + "/state.sqlite") as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        values = [value for name in tables for row in database.execute(f"select * from {name}") for value in row]
    texts = [
        value if isinstance(value, str) else value.decode("latin-1")
        for value in values
        if isinstance(value, str | bytes)
    ]
    assert leaks("\n".join(texts)) == []
    assert len(texts) > 100


def test_a_scheduler_makes_no_request_that_would_hold_a_secret(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/password").touch(0o600)
    (tmp_path / "secrets/password").write_text(PASSWORD)

    def made() -> dict[str, Any]:
        scheduler = AnyBranchScheduler(name="s", builderNames=["b", "other"], properties={"pw": Secret("password")})
        return {**config(tmp_path / "secrets"), "schedulers": [scheduler]}

    kit = MemoryMaster(tmp_path, made).start()
    kit.call(kit.master.data.updates.addChange, author="me", revision="1", files=["f"], comments="c")
    kit.advance(5)
    assert kit.get("buildsets") == []
    (reason,) = kit.wait_for(kit.master.db.read(reasons.of, "change", [1]))
    assert reason.verdict == "error"
    assert reason.detail["error"] == (
        "SchedulingError: scheduler 's': the property 'pw' would hold the secret 'password'; properties are shown to "
        "everybody. Let the steps render util.Secret('password') instead"
    )
    kit.stop()


def test_the_database_s_address_may_hold_a_secret(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/password").touch(0o600)
    (tmp_path / "secrets/password").write_text("hidden")
    address = {"db": {"db_url": Interpolate("sqlite:///%(secret:password)s.sqlite")}}
    kit = MemoryMaster(tmp_path, lambda: {**config(tmp_path / "secrets"), **address}).start()
    assert (tmp_path / "hidden.sqlite").exists()
    assert kit.master.workers.getWorkerByName("w").password == "hidden"
    kit.stop()
    (tmp_path / "secrets/password").unlink()
    with pytest.raises(AssertionError, match="c\\['db'\\] could not be rendered: secret key password is not found"):
        MemoryMaster(tmp_path, lambda: {**config(tmp_path / "secrets"), **address}).start()
