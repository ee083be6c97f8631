"""The workers of a simulated master, each behaving in a manner that may change."""

from __future__ import annotations

from typing import Any

from buildmaster.testing.worker import Command, ScriptedWorker

LIES: tuple[Any, ...] = (
    "not a list",
    [[{"stdout": 5}, 0]],
    [[{"rc": "many"}, 0]],
    [["x"]],
    [[{"log": ("unknown",)}, 0]],
    [[{"nonsense": object}, 0]],
    None,
)


class SimulatedWorker(ScriptedWorker):
    """A worker that does everything in its present ``manner``."""

    def __init__(self, master: Any, name: str, manner: str) -> None:
        super().__init__(master, name, self.work)
        self.lies = 0
        self.behave(manner)

    def behave(self, manner: str) -> None:
        """Do everything in this manner from now on."""
        self.manner = manner
        self.silent = manner == "silent"
        self.deaf = manner == "deaf"

    async def work(self, command: Command) -> None:
        """A command."""
        command.out("begins\n")
        await command.sleep(1)
        await getattr(self, "_" + self.manner)(command)
        command.out("ends\n")
        command.rc(1 if self.manner == "fails" else 0)

    async def _well(self, command: Command) -> None:
        command.err("goes well\n")

    _fails = _well

    async def _slowly(self, command: Command) -> None:
        for _ in range(4):
            await command.sleep(5)
            command.out("still at it\n")

    async def _stalls(self, command: Command) -> None:
        await command.stall()

    _deaf = _silent = _stalls

    async def _floods(self, command: Command) -> None:
        command.flood(300_000)

    async def _lies(self, command: Command) -> None:
        command.update(LIES[self.lies % len(LIES)])
        self.lies += 1

    async def _doubles(self, command: Command) -> None:
        command.rc(0)
        for _ in range(2):
            command._conn.say(lambda: command._running.complete(None))

    async def _leaves(self, command: Command) -> None:
        command._conn.notifyDisconnected()
