"""Where the instances of latent workers run: it outlives the master's process, and notes every start and stop.

What a latent worker promises is checked at each call: no start before every earlier start and stop has come to its
end, one stop for each start and none besides, a stop before the end of its start only when its time was over.  In the
end nothing may run that the master has not reported.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
from twisted.internet import defer
from twisted.logger import globalLogPublisher

from buildmaster.base.aio import as_deferred, deferred, sleep
from buildmaster.base.interfaces import LatentWorkerCannotSubstantiate, LatentWorkerFailedToSubstantiate
from buildmaster.worker.compatible import CompatibleLatentWorkerMixin
from buildmaster.worker.instance_work import CLOSING_DEADLINE
from buildmaster.worker.latent import AbstractLatentWorker
from tests.simulation.histories import LatentSpec
from tests.simulation.people import SimulatedWorker

MISSING_TIMEOUT = 60.0
CHECK_INTERVAL = 10.0
TAKES, COMES_LATER = 20.0, 5.0
"""Seconds that a slow start or stop takes, and after which a worker connects late."""

REPORT = "an instance of worker {name!r} may still be there"


@attrs.define(eq=False)
class Pair:
    """One start and what became of it."""

    owner: Any  # the worker's object, whose process of the master has called
    how: str
    began: float
    instance: int | None = None
    start_over: bool = False
    stops: int = 0
    stop_over: bool = False


class Cloud:
    """The instances of all latent workers, and what was done to them."""

    def __init__(self, specs: tuple[LatentSpec, ...]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self.running: dict[int, str] = {}
        self.reported: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._machines: dict[int, SimulatedWorker] = {}
        self._suits: dict[int, str] = {}  # the builder that an instance of this life was started for
        self._pairs: list[Pair] = []  # of this life of the master
        self._adopted: dict[Any, int] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._hanging: list[defer.Deferred[Any]] = []
        self._made = 0
        self._healed = False

    # -- what the master calls ---------------------------------------------------------------------------------------

    def _manner(self, name: str, what: str, manners: tuple[str, ...]) -> str:
        turn = self._asked[name, what]
        self._asked[name, what] += 1
        return "well" if self._healed else manners[turn % len(manners)]

    async def start(self, worker: LatentWorker, build: Any) -> Any:
        """``start_instance``."""
        name = worker.workername
        spec = self._specs[name]
        if any(p.owner is worker and not (p.start_over and p.stop_over) for p in self._pairs):
            self.wrong.append(f"an instance of {name} is started before the end of the last one")
        how = self._manner(name, "start", spec.starts)
        pair = Pair(worker, how, worker.master.reactor.seconds())
        self._pairs.append(pair)
        try:
            if isinstance(worker, ChoosyWorker):
                await worker.renderWorkerPropsOnStart(build)
            return await self._start(worker, pair, spec, build)
        finally:
            pair.start_over = True

    async def _start(self, worker: LatentWorker, pair: Pair, spec: LatentSpec, build: Any) -> Any:
        clock = worker.master.reactor
        if pair.how == "raises":
            raise RuntimeError("start_instance")
        if pair.how == "fails":
            raise LatentWorkerFailedToSubstantiate("no place")
        if pair.how == "cannot":
            raise LatentWorkerCannotSubstantiate("no such image")
        if pair.how == "says_no":
            return False
        self._made += 1
        made = self._made
        if spec.recovers:
            await worker.save_instance(made)
        if pair.how == "hangs":
            await self._hang()
        self.running[made] = spec.name
        pair.instance = made
        if spec.choosy != "none":
            self._suits[made] = build.builder.name
        if pair.how in ("early", "slow"):
            if pair.how == "early":
                self._connect(worker.master, made)
            await sleep(clock, TAKES)
        if pair.how == "comes_later":
            clock.callLater(COMES_LATER, self._connect, worker.master, made)
        elif pair.how not in ("early", "stays_away", "sick"):
            self._connect(worker.master, made)
        if pair.how == "dies":
            clock.callLater(TAKES, self.drop, spec.name)
        return [f"instance {made}"]

    async def stop(self, worker: LatentWorker) -> None:
        """``stop_instance``."""
        name = worker.workername
        spec = self._specs[name]
        pair = next((p for p in reversed(self._pairs) if p.owner is worker), None)
        if worker in self._adopted:
            pair = Pair(worker, "adopted", 0.0, self._adopted.pop(worker), start_over=True)
        elif pair is None or pair.stops:
            self.wrong.append(f"an instance of {name} is stopped {pair.stops + 1 if pair else 1} times")
        if pair is None:
            return
        if isinstance(worker, ChoosyWorker):
            worker.resetWorkerPropsOnStop()
        pair.stops += 1
        age = worker.master.reactor.seconds() - pair.began
        if not pair.start_over and age < (MISSING_TIMEOUT if worker.running else CLOSING_DEADLINE):
            self.wrong.append(f"an instance of {name} is stopped {age:g} s after its start began, which is not over")
        try:
            await self._stop(worker, pair, self._manner(name, "stop", spec.stops))
        finally:
            pair.stop_over = True

    async def _stop(self, worker: LatentWorker, pair: Pair, how: str) -> None:
        if how == "fails":
            raise RuntimeError("stop_instance")
        if how == "slow":
            await sleep(worker.master.reactor, TAKES)
        if pair.instance is not None:
            self.running.pop(pair.instance, None)
            machine = self._machines.pop(pair.instance, None)
            if machine is not None:
                machine.drop()
        if how == "hangs":
            await self._hang()

    async def recover(self, worker: LatentWorker, saved: Any) -> bool:
        """``recover_instance``."""
        how = self._manner(worker.workername, "recover", ("raises", "well", "hangs", "well"))
        if how == "raises":
            raise RuntimeError("recover_instance")
        if how == "hangs":
            await defer.Deferred()  # for ever, also when all is well
        await sleep(worker.master.reactor, 1.0)
        if saved not in self.running:
            return False
        self._adopted[worker] = saved
        return True

    def check(self, worker: LatentWorker) -> tuple[bool, str]:
        """``check_instance``."""
        pair = next(p for p in reversed(self._pairs) if p.owner is worker)
        return pair.how != "sick", "it is sick"

    async def suits(self, worker: ChoosyWorker) -> None:
        """What ``isCompatibleWithBuild`` goes through before it answers."""
        how = self._specs[worker.workername].choosy
        first = self._asked[worker.workername, "suits"] < 2
        self._asked[worker.workername, "suits"] += 1
        if how == "raises_first" and first:
            raise RuntimeError("isCompatibleWithBuild")
        if how == "hangs_first" and first:
            await defer.Deferred()  # for ever, also when all is well
        if how == "late":
            await sleep(worker.master.reactor, 3.0)

    def _hang(self) -> defer.Deferred[None]:
        hanging: defer.Deferred[None] = defer.Deferred()
        self._hanging.append(hanging)
        return hanging

    def _connect(self, master: Any, instance: int) -> None:
        if instance in self.running:
            name = self.running[instance]
            machine = SimulatedWorker(master, name, "well" if self._healed else self._specs[name].manner)
            self._machines[instance] = machine
            machine.connect().addErrback(lambda _: None)

    # -- what happens from outside -----------------------------------------------------------------------------------

    def master_runs(self, master: Any) -> None:
        """A new process of the master: what still runs tries to connect to it."""
        for instance in self.running:
            master.reactor.callLater(COMES_LATER, self._connect, master, instance)

    def master_is_gone(self, in_order: bool) -> None:
        """The process of the master has ended."""
        if in_order:
            self.wrong += [
                f"the master has stopped; an instance of {p.owner.workername} was started and not stopped"
                for p in self._pairs
                if not p.stops
            ]
        self._pairs, self._hanging = [], []
        self._adopted.clear()
        self._machines.clear()
        self._suits.clear()

    def drop(self, name: str) -> None:
        """Its connection is lost."""
        for instance, machine in list(self._machines.items()):
            if self.running.get(instance) == name:
                machine.drop()

    def heal(self) -> None:
        """All goes well from now on, and what hangs comes to its end."""
        self._healed = True
        hanging, self._hanging = self._hanging, []
        for each in hanging:
            each.callback(None)
        for machine in list(self._machines.values()):
            if machine.manner in ("stalls", "deaf", "fails", "slowly"):
                machine.behave("well")
            elif machine.manner != "well":
                machine.drop()

    def hears(self, event: dict[str, Any]) -> None:
        """What the master logs."""
        if str(event.get("log_format", "")).startswith(REPORT):
            self.reported[event["name"]] += 1

    # -- judging -----------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """What was wrong with the calls so far, and what instances were used for."""
        return self.wrong + [
            f"an instance for {builder} builds {sorted(set(machine.builds))}"
            for instance, builder in self._suits.items()
            if (machine := self._machines.get(instance)) is not None and set(machine.builds) - {builder}
        ]

    def final_problems(self) -> list[str]:
        """The same when the master has stopped: what still runs must have been reported."""
        left = Counter(self.running.values())
        return self.wrong + [
            f"{count} instances of {name} still run, {self.reported[name]} were reported"
            for name, count in left.items()
            if count > self.reported[name]
        ]


class LatentWorker(AbstractLatentWorker):
    """A latent worker in a cloud."""

    cloud: Cloud

    def start_instance(self, build: Any) -> Any:
        return deferred(self.cloud.start)(self, build)

    def stop_instance(self, fast: bool = False) -> Any:
        return deferred(self.cloud.stop)(self)

    def check_instance(self) -> Any:
        return self.cloud.check(self)


class Recovering:
    """One whose instances are found again."""

    cloud: Cloud

    def recover_instance(self, saved: Any) -> Any:
        """Look whether it runs."""
        return deferred(self.cloud.recover)(self, saved)


class ChoosyWorker(CompatibleLatentWorkerMixin, LatentWorker):
    """One whose instances suit a single builder each."""

    def renderWorkerProps(self, build_props: Any) -> Any:
        """What an instance is made from."""
        return build_props.getProperty("buildername")

    @deferred
    async def isCompatibleWithBuild(self, build_props: Any) -> bool:
        await self.cloud.suits(self)
        return bool(await as_deferred(super().isCompatibleWithBuild(build_props)))


class RecoveringWorker(Recovering, LatentWorker):
    """Found again, for all builders."""


class RecoveringChoosyWorker(Recovering, ChoosyWorker):
    """Found again, for a single builder each."""


KINDS: dict[tuple[bool, bool], type[LatentWorker]] = {
    (False, False): LatentWorker,
    (True, False): RecoveringWorker,
    (False, True): ChoosyWorker,
    (True, True): RecoveringChoosyWorker,
}


def make_latent(spec: LatentSpec, cloud: Cloud) -> LatentWorker:
    """The worker of a configuration."""
    made = KINDS[spec.recovers, spec.choosy != "none"](
        spec.name,
        "pw",
        max_builds=spec.max_builds,
        build_wait_timeout=spec.wait,
        missing_timeout=MISSING_TIMEOUT,
        check_instance_interval=CHECK_INTERVAL,
        keepalive_interval=100,
    )
    made.cloud = cloud
    return made


def watching(cloud: Cloud) -> Any:
    """Have the cloud hear the log; a callable that ends it."""
    globalLogPublisher.addObserver(cloud.hears)
    return lambda: globalLogPublisher.removeObserver(cloud.hears)
