"""What the stories are put together from: configurations, what workers do, inputs from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from buildmaster.base.moves import RequestState
from buildmaster.db import schema
from buildmaster.plugins import schedulers, steps, util, worker
from buildmaster.testing.worker import Command
from tests.crash.story import Input

MAKE = steps.ShellCommand(command=["make"], name="make")
SLOW = steps.ShellCommand(command=["slow"], name="slow")
TWO_STEPS = [steps.ShellCommand(command=["make"]), steps.SetProperty(property="p", value="v")]
ANEW = ("workers", "services", "change_source")
"""Settings that hold what belongs to one master; they are functions that make it."""

Condition = Callable[[sa.Connection], bool]


async def work(command: Command) -> None:
    """What the worker does: a little output, two seconds; half a minute for a command that is called slow."""
    command.out("begins\n")
    await command.sleep(1)
    command.err("half\n")
    await command.sleep(29 if command.args.get("command") == ["slow"] else 1)
    command.out("ends\n")
    command.rc(0)


def config(
    *scheds: Callable[[], Any], builders: dict[str, Any] | None = None, **settings: Any
) -> Callable[[], dict[str, Any]]:
    """A configuration made anew for each master.

    A builder is a list of steps, or a dictionary of arguments; its ``locks`` are a function that makes them.  There is
    one worker, unless ``workers`` makes others.
    """
    settings = {"workers": lambda: [worker.Worker("w1", "pw", max_builds=3)], **settings}

    def make() -> dict[str, Any]:
        return {
            "builders": [_builder(name, given) for name, given in (builders or {"b": TWO_STEPS}).items()],
            "schedulers": [make_one() for make_one in scheds],
            "protocols": {"pb": {"port": 9989}},
            **{key: value() if key in ANEW else value for key, value in settings.items()},
        }

    return make


def _builder(name: str, given: Any) -> Any:
    values = {"workernames": ["w1"], "steps": [MAKE], **(given if isinstance(given, dict) else {"steps": given})}
    factory = util.BuildFactory(list(values.pop("steps")))
    if "locks" in values:
        values["locks"] = values["locks"]()
    return util.BuilderConfig(name=name, factory=factory, **values)


# -- schedulers --------------------------------------------------------------------------------------------------------


def stable(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.SingleBranchScheduler(
        name="stable", builderNames=list(builders), treeStableTimer=60, change_filter=util.ChangeFilter(branch="main")
    )


def at_once(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.AnyBranchScheduler(name="any", builderNames=list(builders), treeStableTimer=None)


def forced(*builders: str) -> Callable[[], Any]:
    return lambda: schedulers.ForceScheduler(name="force", builderNames=list(builders))


# -- inputs ------------------------------------------------------------------------------------------------------------


def change(revision: str, **fields: Any) -> Input:
    """A client sends a change."""

    def act(kit: Any) -> None:
        values = {"author": "a", "revision": revision, "branch": "main", "files": ["f.c"], "comments": f"c {revision}"}
        kit.call(kit.master.data.updates.addChange, repository="r", **{**values, **fields})

    changes = schema.changes
    return Input(
        act,
        lambda conn: conn.execute(sa.select(changes.c.id).where(changes.c.revision == revision)).first() is not None,
    )


def buildsets_exist(count: int) -> Condition:
    """Whether that many buildsets are stored."""
    query = sa.select(sa.func.count()).select_from(schema.buildsets)
    return lambda conn: conn.execute(query).scalar_one() >= count


def force(owner: str, nth: int) -> Input:
    """A user presses the button; it is the ``nth`` buildset of the story."""

    def act(kit: Any) -> None:
        args = {"owner": owner, "reason": f"for {owner}", "branch": "main"}
        kit.call(kit.master.data.control, "force", args, ("forceschedulers", "force"))

    return Input(act, buildsets_exist(nth))


def _request_of(builder: str) -> Any:
    requests, builders = schema.buildrequests, schema.builders
    query = sa.select(requests).join(builders, builders.c.id == requests.c.builderid)
    return query.where(builders.c.name == builder).order_by(requests.c.id)


def has_ended(builder: str) -> Condition:
    """Whether the first request of a builder is complete."""
    return lambda conn: (
        (found := conn.execute(_request_of(builder)).first()) is not None and (found.state == RequestState.COMPLETE)
    )


def cancel(builder: str) -> Input:
    """A user cancels the first request of a builder."""

    def act(kit: Any) -> None:
        [builderid] = [one["builderid"] for one in kit.get("builders") if one["name"] == builder]
        first = kit.get("builders", builderid, "buildrequests", order=["buildrequestid"])[0]["buildrequestid"]
        kit.call(kit.master.data.control, "cancel", {"reason": "not wanted"}, ("buildrequests", first))

    return Input(act, has_ended(builder))


def stop(builder: str) -> Input:
    """A user stops the build that runs on a builder."""

    def act(kit: Any) -> None:
        [running] = [one for one in kit.get("builders", builder, "builds") if not one["complete"]]
        kit.call(kit.master.data.control, "stop", {"reason": "not wanted"}, ("builds", running["buildid"]))

    return Input(act, has_ended(builder))
