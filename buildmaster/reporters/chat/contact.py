"""Somebody who talks to a bot in a channel, and the commands that they may give."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from twisted.logger import Logger

from buildmaster import __version__
from buildmaster.base.aio import deferred, maybe
from buildmaster.base.strings import shorten
from buildmaster.process.validation import refusal
from buildmaster.reporters.chat.access import DANGEROUS, may
from buildmaster.reporters.chat.asking import ForceOptions, UsageError, parse_force, parse_properties
from buildmaster.reporters.chat.events import USUAL

log = Logger()

GREETINGS = ["Hello", "Hi", "Good day", "Salut", "Hallo", "Ciao", "Hola", "Ahoj", "Hej", "Tere", "Szia", "Здравствуйте"]

HOME = "https://pypi.org/project/buildmaster-ci/"
MOST_CHANGES = 50


def dangerousCommand(method: Any) -> Any:
    """Decorate a command that changes something: nobody may give it unless ``authz`` says so."""
    name = method.__name__
    if not name.startswith("command_"):
        raise ValueError("@dangerousCommand is for methods that are called command_…")
    method.dangerous = True
    DANGEROUS.append(name.removeprefix("command_"))
    return method


def command(usage: str, does: str) -> Callable[[Any], Any]:
    """Give a command's method what ``help`` says of it."""

    def mark(method: Any) -> Any:
        method.usage = f"{usage} - {does}"
        return method

    return mark


class Contact:
    """A user in a channel.  A command is a method ``command_NAME(args)``, which may return a Deferred or coroutine."""

    OP_REQUIRED: ClassVar[Sequence[str]] = ()

    def __init__(self, user: Any, channel: Any) -> None:
        self.user_id = user
        self.channel = channel

    @property
    def bot(self) -> Any:
        """The bot."""
        return self.channel.bot

    @property
    def master(self) -> Any:
        """The master."""
        return self.channel.bot.master

    @property
    def is_private_chat(self) -> bool:
        """Whether nobody else hears."""
        return bool(self.user_id == self.channel.id)

    @staticmethod
    def overrideCommand(meth: Any) -> Any:
        """Decorate a command that replaces that of the base class: it keeps what is said of it there."""
        for kind in Contact.__mro__:
            found = kind.__dict__.get(meth.__name__)
            if found is not None:
                for name in ("usage", "dangerous"):
                    if hasattr(found, name) and not hasattr(meth, name):
                        setattr(meth, name, getattr(found, name))
        return meth

    def user_names(self) -> list[Any]:
        """By which names ``authz`` may know the user."""
        return [self.user_id]

    def describeUser(self) -> str:
        """Who speaks, and where."""
        return str(self.user_id) if self.is_private_chat else f"{self.user_id} on {self.channel.id}"

    def send(self, message: str, **kwargs: Any) -> Any:
        """Answer."""
        return self.channel.send(message, **kwargs)

    def access_denied(self, *args: Any, **kwargs: Any) -> Any:
        """Answer that this is not allowed."""
        return self.send(f"Sorry, {self.user_id}, you are not allowed to do that.")

    def splitArgs(self, args: str) -> list[str]:
        """Words as a shell would split them; raises :class:`.UsageError`."""
        try:
            return shlex.split(args)
        except ValueError as e:
            raise UsageError(str(e)) from None

    @classmethod
    def build_commands(cls) -> list[str]:
        """The names of all commands, in alphabetical order."""
        names = (name for name in dir(cls) if name.startswith("command_"))
        return sorted(name.removeprefix("command_").lower() for name in names)

    def getCommandMethod(self, command: str) -> Any:
        """The method for a command that this user may give, one that says no, or None if there is no such command."""
        method = getattr(self, f"command_{command.upper()}", None)
        if method is None:
            return None
        dangerous = command.upper() in DANGEROUS or getattr(method, "dangerous", False)
        return method if may(self.bot.authz, command, self.user_names(), dangerous) else self.access_denied

    @deferred
    async def handleMessage(self, message: str, **kwargs: Any) -> None:
        """Do what was said to the bot."""
        words = message.lstrip().split(None, 1)
        if not words:
            return
        prefix, suffix = self.bot.commandPrefix, self.bot.commandSuffix
        name = words[0].removeprefix(prefix)
        if suffix and name.endswith(suffix):
            name = name[: -len(suffix)]
        method = self.getCommandMethod(name)
        if method is None and self.is_silly(message):
            return
        try:
            if method is None:
                await maybe(self.send, f"I don't know '{shorten(name, 40)}'. Try 'commands'.")
            else:
                await maybe(method, words[1].strip() if len(words) > 1 else "", **kwargs)
        except UsageError as e:
            await maybe(self.send, str(e))
        except Exception:  # policy: skip, the bot goes on
            log.failure("the command {name} of {who} failed", name=name, who=self.describeUser())
            await maybe(self.send, "Something bad happened (see the master's log)")

    def is_silly(self, message: str) -> bool:
        """Whether this was said to the bot but is no command and needs no answer."""
        return False

    # -- commands: asking ----------------------------------------------------------------------------------------------

    @command("hello", "say hello")
    async def command_HELLO(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, random.choice(GREETINGS))

    @command("version", "show the version of the master")
    async def command_VERSION(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, f"This is buildmaster {__version__} at your service")

    @command("source", "where the source code is")
    async def command_SOURCE(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, f"My source can be found at {HOME}")

    @command("commands", "list available commands")
    async def command_COMMANDS(self, args: str, **kwargs: Any) -> None:
        await maybe(self.send, f"The commands are: {', '.join(self.build_commands())}")

    @command("help [_command_]", "say what there is, or how a command is used")
    async def command_HELP(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if not words:
            lines = [f"{name} - {self._usage(name).partition(' - ')[2]}" for name in self.build_commands()]
            await maybe(self.send, "\n".join(lines))
            return
        if words[0].lower() not in self.build_commands():
            raise UsageError(f"There is no such command '{shorten(words[0], 40)}'.")
        await maybe(self.send, f"Usage: {self._usage(words[0])}")

    def _usage(self, name: str) -> str:
        method = getattr(self, f"command_{name.upper()}")
        return str(getattr(method, "usage", f"{name.lower()} - (nothing is said of it)"))

    @command("list [all|_N_] builders|workers|changes", "list builders, workers, or the N newest changes")
    async def command_LIST(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        count = words.pop(0) if len(words) > 1 else ""
        kinds: dict[str, Any] = {"builders": self._builders, "workers": self._workers, "changes": self._changes}
        if len(words) != 1 or words[0] not in kinds or (count not in ("", "all") and not count.isdigit()):
            raise UsageError("Try 'list [all|N] builders|workers|changes'.")
        await maybe(self.send, await kinds[words[0]](count))

    async def _builders(self, count: str) -> str:
        online = await self.bot.getOnlineBuilders()
        builders = await self.bot.getAllBuilders()
        shown = [b for b in builders if count == "all" or b["masterids"]]
        names = [b["name"] + ("" if b["builderid"] in online else "[offline]") for b in shown]
        return f"I found the following builders: {', '.join(names) or 'none'}"

    async def _workers(self, count: str) -> str:
        workers = await self.master.data.get(("workers",), order=["name"])
        shown = [w for w in workers if count == "all" or w["configured_on"]]
        names = [w["name"] + ("" if w["connected_to"] else "[disconnected]") for w in shown]
        return f"I found the following workers: {', '.join(names) or 'none'}"

    async def _changes(self, count: str) -> str:
        number = MOST_CHANGES if count == "all" else min(int(count or 10), MOST_CHANGES)
        changes = await self.master.data.get(("changes",), order=["-changeid"], limit=number)
        lines = ["I found the following recent changes:"]
        for change in reversed(changes):
            comment = shorten((change["comments"].splitlines() or [""])[0], 60)
            lines.append(
                f"{change['author']}: {comment} ({change['branch'] or 'default branch'}, {change['revision']})"
            )
        return "\n".join(lines)

    @command("status [_which_]", "list status of a builder (or all builders)")
    async def command_STATUS(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if len(words) > 1:
            raise UsageError("Try 'status _builder_'.")
        if words and words[0] != "all":
            await maybe(self.send, await self.bot.getBuildStatus(words[0]))
            return
        builders = await self.bot.getAllBuilders()
        lines = [await self.bot.getBuildStatus(builder["name"], short=True) for builder in builders]
        await maybe(self.send, "\n".join(lines) or "There are no builders.")

    @command("last [_which_]", "list last build status for a builder (or all builders)")
    async def command_LAST(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if len(words) > 1:
            raise UsageError("Try 'last _builder_'.")
        if words and words[0] != "all":
            builders = [await self.bot.getBuilder(buildername=words[0])]
        else:
            builders = await self.bot.getAllBuilders()
        lines = []
        for builder in builders:
            last = await self.bot.getLastCompletedBuild(builder["builderid"])
            said = "(no builds run since last restart)" if last is None else await self._last(last)
            lines.append(f"{self.bot.builder_text(builder['name'])}: {said}")
        await maybe(self.send, "\n".join(lines) or "There are no builders.")

    async def _last(self, build: Any) -> str:
        said = f"last build {self.bot.format_build_status(build)} ({self.bot.ago(build['complete_at'])})"
        return said if build["results"] == 0 else f"{said}: {build['state_string']}"

    # -- commands: being told ------------------------------------------------------------------------------------------

    @command("watch _which_", "announce the completion of an active build")
    async def command_WATCH(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if len(words) != 1:
            raise UsageError("Try 'watch _builder_'.")
        builder = await self.bot.getBuilder(buildername=words[0])
        running = await self.bot.getRunningBuilds(builder["builderid"])
        if not running:
            await maybe(self.send, "There are no currently running builds.")
        for build in running:
            self.channel.watched.add(build["buildid"])
            name = self.bot.builder_text(builder["name"])
            await maybe(self.send, f"Watching build {self.bot.build_text(build)} of {name} until it finishes...")

    @command("notify on|off|list [_event_] ...", "notify me about build events")
    async def command_NOTIFY(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if not words or words[0] not in ("on", "on-quiet", "off", "off-quiet", "list"):
            raise UsageError("Try 'notify on|off|list [_event_] ...'.")
        action, events = words[0], words[1:]
        if action.startswith("on"):
            self.channel.add_notification_events(events or USUAL)
        elif action.startswith("off") and events:
            self.channel.remove_notification_events(events)
        elif action.startswith("off"):
            self.channel.remove_all_notification_events()
        if not action.endswith("quiet"):
            await maybe(self.channel.list_notified_events)

    # -- commands: acting ----------------------------------------------------------------------------------------------

    FORCE_USAGE = (
        "force build [--codebase=CODEBASE] [--branch=branch] [--revision=revision] [--project=project] "
        "[--props=prop1=val1,prop2=val2...] _which_ _reason_"
    )

    @command(FORCE_USAGE, "force a build")
    async def command_FORCE(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if words[:1] != ["build"]:
            raise UsageError(f"Try '{self.FORCE_USAGE}'.")
        options = parse_force(words[1:])
        if not options["builder"]:
            raise UsageError(f"Try '{self.FORCE_USAGE}'.")
        await self.force(options)
        await maybe(self.send, "Force build successfully requested.")

    async def force(self, options: ForceOptions) -> None:
        """Ask for a build; raises :class:`.UsageError` for what the configuration does not let pass."""
        builder = await self.bot.getBuilder(buildername=options["builder"])
        properties = parse_properties(options["props"])
        config = self.master.config
        entered = [("branch", options["branch"]), ("revision", options["revision"])]
        for name, value in properties.items():
            entered += [("property_name", name), ("property_value", value)]
        for kind, value in entered:
            why = refusal(config, kind, value)
            if why is not None:
                raise UsageError(f"Refused: {why}")
        said = options["reason"] or "no reason given"
        await self.master.data.updates.addBuildset(
            False,
            scheduler="status",
            builderids=[builder["builderid"]],
            sourcestamps=[
                {
                    "codebase": options["codebase"],
                    "branch": options["branch"],
                    "revision": options["revision"],
                    "project": options["project"],
                    "repository": "",
                }
            ],
            reason=f"forced: by {self.describeUser()}: {said}",
            properties={
                **{name: (value, "Force Build chat") for name, value in properties.items()},
                "reason": (said, "Force Build chat"),
                "owner": (self.describeUser(), "Force Build chat"),
                "scheduler": ("status", "Scheduler"),
            },
        )

    @command("stop build _which_ _reason_", "stop a running build")
    async def command_STOP(self, args: str, **kwargs: Any) -> None:
        words = self.splitArgs(args)
        if len(words) < 3 or words[0] != "build":
            raise UsageError("Try 'stop build _which_ _reason_'.")
        builder = await self.bot.getBuilder(buildername=words[1])
        running = await self.bot.getRunningBuilds(builder["builderid"])
        if not running:
            await maybe(self.send, "Sorry, no build is currently running.")
        reason = f"stopped: by {self.describeUser()}: {' '.join(words[2:])}"
        for build in running:
            await self.master.data.control("stop", {"reason": reason}, ("builds", build["buildid"]))
            name = self.bot.builder_text(builder["name"])
            await maybe(self.send, f"Build {self.bot.build_text(build)} of {name} interrupted.")

    @command("shutdown check|start|stop|now", "shut the master down")
    async def command_SHUTDOWN(self, args: str, **kwargs: Any) -> None:
        botmaster = self.master.botmaster
        if args == "check":
            doing = "shutting down" if botmaster.shuttingDown else "running"
            await maybe(self.send, f"Status: the master is {doing}.")
        elif args == "start":
            await maybe(
                self.send,
                "The master stops when the running builds have ended."
                if not botmaster.shuttingDown
                else "It is shutting down already.",
            )
            self._unless_shutting_down(botmaster.cleanShutdown)
        elif args == "stop":
            await maybe(self.send, "It goes on." if botmaster.shuttingDown else "Nothing was being shut down.")
            botmaster.cancelCleanShutdown()
        elif args == "now":
            await maybe(self.send, "Stopping the master.")
            self.master.stop_reactor()
        else:
            raise UsageError("Try 'shutdown check|start|stop|now'.")

    def _unless_shutting_down(self, shut_down: Callable[[], Any]) -> None:
        if not self.master.botmaster.shuttingDown:
            shut_down().addErrback(lambda f: log.failure("the shutdown failed", f))
