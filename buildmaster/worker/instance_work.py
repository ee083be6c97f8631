"""What is done at the moves of a latent worker's instance (:mod:`.instance`): calls, timers, records, waits."""

from __future__ import annotations

import inspect
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import qual

from buildmaster.base.aio import maybe, sleep, with_deadline
from buildmaster.base.interfaces import (
    LatentWorkerCannotSubstantiate,
    LatentWorkerFailedToSubstantiate,
    LatentWorkerSubstantiatiationCancelled,
)
from buildmaster.worker.instance import (
    ABSENT,
    CLOSED,
    DANGLING,
    PREPARING,
    RECOVERING,
    RUNNING,
    InstanceInputs,
    build_machine,
)
from buildmaster.worker.instance_record import InstanceRecord

log = Logger()

RECOVERY_PAUSES = (0.0, 10.0, 60.0)
"""Seconds before each attempt to find what an earlier process has left."""

RECOVERY_DEADLINE = 300.0
"""Seconds that each of these attempts has."""

DISCONNECT_DEADLINE = 10.0
"""Seconds that a connection has for coming to its end before the instance is stopped all the same."""

CLOSING_DEADLINE = 30.0
"""Seconds that ``start_instance`` still has when its worker leaves this master."""


class Instance:
    """The instance of one latent worker.

    ``worker`` has the documented methods ``start_instance``, ``stop_instance``, ``check_instance``, and is told by
    ``instance_runs()``, ``instance_missed()`` and ``instance_ended()``.
    """

    def __init__(self, worker: Any) -> None:
        self.state = ABSENT
        self.build: Any = None
        """The build that it was started for."""
        self.record = InstanceRecord(worker)
        self.leftover: dict[str, Any] | None = None
        """The record of an instance that an earlier process of the master may have left running."""
        self._worker = worker
        self._inputs: InstanceInputs = _Machine(self)
        self._waiting: list[tuple[defer.Deferred[bool], Any]] = []
        self._over: list[defer.Deferred[None]] = []
        self._begun: list[defer.Deferred[None]] = []
        self._fast = False
        self._deadline: Any = None
        self._look: Any = None
        self._recovery: defer.Deferred[None] | None = None

    # -- from outside ------------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for it."""
        return bool(self._waiting)

    def demand(self, build: Any) -> defer.Deferred[bool]:
        """Fires with True when the worker is ready; fails when this instance will not be.

        Cancelling it gives the demand up; an instance that nobody waits for any more is stopped again.
        """
        answer: defer.Deferred[bool] = defer.Deferred(self._withdraw)
        self._waiting.append((answer, build))
        self._inputs.want()
        return answer

    def _withdraw(self, answer: defer.Deferred[bool]) -> None:
        self._waiting = [each for each in self._waiting if each[0] is not answer]
        if not self._waiting and self.state != RUNNING:
            self.release("the build was stopped")

    def release(self, why: str, fast: bool = False) -> None:
        """Let it go; those who wait get LatentWorkerSubstantiatiationCancelled."""
        self._fast = self._fast or fast
        self._inputs.release(Failure(LatentWorkerSubstantiatiationCancelled(f"{self._name}: {why}")))

    def hurry(self) -> None:
        """Do not wait for the end of a start as long as its deadline says."""
        if self.remaining() > CLOSING_DEADLINE:
            self._deadline.reset(CLOSING_DEADLINE)

    def remaining(self) -> float:
        """Seconds until the deadline of the present start; 0 if there is none."""
        if self._deadline is None or not self._deadline.active():
            return 0.0
        return self._deadline.getTime() - self._worker.master.reactor.seconds()

    def arrive(self) -> None:
        """The worker is connected and knows its builders."""
        self._inputs.arrive()

    def leave(self) -> None:
        """Its connection is lost."""
        self._inputs.leave(Failure(LatentWorkerFailedToSubstantiate(f"{self._name}: the connection is lost")))

    def find(self, record: dict[str, Any]) -> None:
        """An earlier process of this master has left this record."""
        self._inputs.find(record)

    def close(self) -> None:
        """There will be no instance any more; call it when :meth:`over` has fired."""
        if self._recovery is not None:
            self._recovery.cancel()
        if self.state in (ABSENT, DANGLING, RECOVERING):
            self._inputs.close()

    def begun(self) -> defer.Deferred[None]:
        """Fires when what has to be done before ``start_instance`` is done, or has failed."""
        result: defer.Deferred[None] = defer.Deferred()
        if self.state == PREPARING:
            self._begun.append(result)
        else:
            result.callback(None)
        return result

    def over(self) -> defer.Deferred[None]:
        """Fires when there is no instance, and nothing more can be done about it."""
        result: defer.Deferred[None] = defer.Deferred()
        if self.state in (ABSENT, DANGLING, RECOVERING, CLOSED):
            result.callback(None)
        else:
            self._over.append(result)
        return result

    # -- what is done at the moves -----------------------------------------------------------------------------------

    def ignore(self, inputs: InstanceInputs, *args: Any) -> None:
        """It changes nothing."""

    def prepare(self, inputs: InstanceInputs) -> None:
        """Have the machine started, and store what is about to be done."""
        self.build = self._waiting[0][1] if self._waiting else None
        self._fast = False
        self._run(self._prepare(inputs))

    async def _prepare(self, inputs: InstanceInputs) -> None:
        try:
            machine = self._worker.machine
            if hasattr(machine, "substantiate") and not await maybe(machine.substantiate, self._worker):
                raise LatentWorkerFailedToSubstantiate(f"{self._name}: machine {machine.name!r} did not start")
            await self.record.begin(self.build)
        except Exception:  # policy: told to those who wait
            inputs.unprepared(Failure())
        else:
            inputs.prepared()

    def refuse(self, inputs: InstanceInputs, why: Failure) -> None:
        """It did not come to a start."""
        self._tell(self._begun)
        self._answer(why)
        self.end(inputs)

    def disappoint(self, inputs: InstanceInputs, why: Failure | None = None) -> None:
        """Those who wait wait in vain."""
        self._tell(self._begun)
        self._answer(why or Failure(LatentWorkerSubstantiatiationCancelled(f"{self._name} is shut down")))

    def start(self, inputs: InstanceInputs) -> None:
        """Call ``start_instance``."""
        self._tell(self._begun)
        log.info("starting the instance of worker {name!r}", name=self._worker.workername)
        if self._worker.missing_timeout:
            self._deadline = self._worker.master.reactor.callLater(self._worker.missing_timeout, self._too_late, inputs)
        self._run(self._start(inputs))

    async def _start(self, inputs: InstanceInputs) -> None:
        function = self._worker.start_instance
        try:
            words = await maybe(function, *([self.build] if _takes_build(function) else []))
            if words is False:
                raise LatentWorkerFailedToSubstantiate(f"{self._name}: start_instance says that it did not start")
        except Exception:  # policy: told to those who wait, and the instance is stopped
            inputs.failed(Failure())
        else:
            inputs.started(words)

    def _too_late(self, inputs: InstanceInputs) -> None:
        seconds = self._worker.missing_timeout
        text = f"{self._name}: it has not connected within {seconds:g} s of the start of its instance"
        inputs.late(Failure(LatentWorkerFailedToSubstantiate(text)))

    def look_after(self, inputs: InstanceInputs, words: Any) -> None:
        """Until the worker is here, see from time to time whether its instance lives."""
        log.info("the instance of worker {name!r} is started {words}", name=self._worker.workername, words=words or "")
        self._look_later(inputs)

    def _look_later(self, inputs: InstanceInputs) -> None:
        if self._worker.check_instance_interval:
            interval = self._worker.check_instance_interval
            self._look = self._worker.master.reactor.callLater(interval, lambda: self._run(self._looked(inputs)))

    async def _looked(self, inputs: InstanceInputs) -> None:
        looking = self._look
        try:
            good, message = await maybe(self._worker.check_instance)
        except Exception:  # policy: asked again; the deadline ends it
            log.failure("whether the instance of worker {name!r} lives is not known", name=self._worker.workername)
            good, message = True, ""
        if self._look is not looking:
            return  # it does not matter any more
        if good:
            self._look_later(inputs)
        else:
            inputs.failed(Failure(LatentWorkerFailedToSubstantiate(f"{self._name}: {message}")))

    def deliver(self, inputs: InstanceInputs, words: Any = None) -> None:
        """The worker is ready."""
        self._stop_timers()
        self._answer(True)
        self._worker.instance_runs()

    def miss(self, inputs: InstanceInputs, why: Failure) -> None:
        """The deadline has passed: tell, and stop it."""
        self._worker.instance_missed()
        self.stop(inputs, why)

    def stop(self, inputs: InstanceInputs, why: Failure) -> None:
        """Call ``stop_instance``; those who wait wait in vain."""
        self._answer(why)
        self.stop_doomed(inputs)

    def stop_doomed(self, inputs: InstanceInputs, *args: Any) -> None:
        """Call ``stop_instance``; those who wait wait for the next one."""
        self._stop_timers()
        self._run(self._stop(inputs))

    async def _stop(self, inputs: InstanceInputs) -> None:
        name = self._worker.workername
        log.info("stopping the instance of worker {name!r}", name=name)
        try:
            going = self._worker.disconnect()
            await with_deadline(going, DISCONNECT_DEADLINE, self._worker.master.reactor, "the end of a connection")
        except Exception:  # policy: it is stopped all the same
            log.failure("worker {name!r} could not be disconnected", name=name)
        try:
            await maybe(self._worker.stop_instance, self._fast)
        except Exception:  # policy: there is one stop for each start, so it is told, not tried again
            self._tell_leftover("stop_instance has failed", Failure())
        await self._forget(inputs)

    def forget(self, inputs: InstanceInputs, *args: Any) -> None:
        """Nothing was started."""
        self._run(self._forget(inputs))

    async def _forget(self, inputs: InstanceInputs) -> None:
        try:
            await self.record.forget()
        except Exception:  # policy: at the next start of the master it is looked for in vain
            log.failure("that worker {name!r} has no instance could not be stored", name=self._worker.workername)
        inputs.stopped()

    def tell_late(self, inputs: InstanceInputs, words: Any) -> None:
        """A start that was given up has succeeded after all, when its stop was called already."""
        self._tell_leftover("start_instance ended only after stop_instance was called")

    def end_late(self, inputs: InstanceInputs, words: Any) -> None:
        """The same, and now a new one can be started."""
        self.tell_late(inputs, words)
        self.end(inputs)

    def pause(self, inputs: InstanceInputs) -> None:
        """Nothing more can be done about it."""
        self._tell(self._over)

    def end(self, inputs: InstanceInputs, *args: Any) -> None:
        """The next may come."""
        self.build = None
        self._tell(self._over)
        if self.state == ABSENT:
            self._worker.instance_ended()
            if self._waiting and self.state == ABSENT:
                inputs.want()

    # -- after a crash -----------------------------------------------------------------------------------------------

    def recover(self, inputs: InstanceInputs, record: dict[str, Any]) -> None:
        """Let the class find the instance that an earlier process has left, or tell of it."""
        self._recovery = defer.Deferred.fromCoroutine(self._recover(inputs, record))
        self._recovery.addErrback(self._mistake)

    async def _recover(self, inputs: InstanceInputs, record: dict[str, Any]) -> None:
        worker = self._worker
        function = getattr(worker, "recover_instance", None)
        if function is None or record.get("class") != qual(type(worker)):
            self._tell_leftover("the master's last process has left it, and the class has no recover_instance")
            return await self._forget(inputs)
        for pause in RECOVERY_PAUSES:
            await sleep(worker.master.reactor, pause)
            try:
                looking = maybe(function, record.get("saved"))
                found = await with_deadline(looking, RECOVERY_DEADLINE, worker.master.reactor, "recover_instance")
            except defer.CancelledError:
                return None  # the master is stopped: the next start of it looks again
            except Exception:  # policy: retry
                log.failure("the instance that worker {name!r} had was not found", name=worker.workername)
                continue
            return inputs.adopted() if found is not False else await self._forget(inputs)
        self._tell_leftover("the master's last process has left it, and recover_instance fails")
        return await self._forget(inputs)

    def _tell_leftover(self, what: str, failure: Failure | None = None) -> None:
        self.leftover = self.record.last
        log.error(
            "an instance of worker {name!r} may still be there: {what}{why}; its record: {record!r}",
            name=self._worker.workername,
            what=what,
            why="" if failure is None else f" ({failure.getErrorMessage()})",
            record=self.leftover,
        )

    # -- helpers -----------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"latent worker {self._worker.workername!r}"

    def _answer(self, answer: Any) -> None:
        waiting, self._waiting = self._waiting, []
        for each, _ in waiting:
            if isinstance(answer, Failure):
                each.errback(_in_our_words(answer, self._name))
            else:
                each.callback(answer)

    @staticmethod
    def _tell(waiting: list[defer.Deferred[None]]) -> None:
        told = waiting[:]
        waiting.clear()
        for each in told:
            each.callback(None)

    def _stop_timers(self) -> None:
        for timer in (self._deadline, self._look):
            if timer is not None and timer.active():
                timer.cancel()
        self._deadline = self._look = None

    def _run(self, coroutine: Any) -> None:
        defer.Deferred.fromCoroutine(coroutine).addErrback(self._mistake)

    def _mistake(self, failure: Failure) -> None:
        if not failure.check(defer.CancelledError):
            log.failure("with the instance of worker {name!r}", failure, name=self._worker.workername)


def _in_our_words(why: Failure, name: str) -> Failure:
    """What a build is told: one of the documented exceptions, with the cause in words."""
    known = (
        LatentWorkerFailedToSubstantiate,
        LatentWorkerCannotSubstantiate,
        LatentWorkerSubstantiatiationCancelled,
    )
    if why.check(*known):
        return Failure(why.value)
    log.failure("{name} could not be started", why, name=name)
    wrapped = LatentWorkerFailedToSubstantiate(f"{name}: {type(why.value).__name__}: {why.getErrorMessage()}")
    wrapped.__cause__ = why.value
    return Failure(wrapped)


def _takes_build(function: Any) -> bool:
    """Whether it is ``start_instance(self, build)``; the older form has no parameter."""
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    return True


_Machine = build_machine(Instance)
