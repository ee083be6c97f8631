# mypy: disable-error-code="misc,empty-body"
"""The documented interfaces and exceptions that plugins and steps name.

Classes of users declare that they provide one with :func:`zope.interface.implementer`; the checks of a configuration
ask for them.
"""

from __future__ import annotations

from typing import Any

from zope.interface import Attribute, Interface


class BuilderInUseError(Exception):
    """The builder cannot be changed now, because it is building."""


class WorkerSetupError(Exception):
    """The worker could not be made ready for a build."""


class WorkerTooOldError(Exception):
    """The worker lacks a command, or a command's version, that a step needs."""


class LatentWorkerFailedToSubstantiate(Exception):
    """The latent worker's instance did not start."""


class LatentWorkerCannotSubstantiate(Exception):
    """The latent worker's instance cannot be started with this configuration; trying again is of no use."""


class LatentWorkerSubstantiatiationCancelled(Exception):
    """Starting the instance was cancelled while it was under way."""


class IPlugin(Interface):
    """What packages of plugins may offer; the base of interfaces of their own."""


class IConfigured(Interface):
    """Something with a configuration that can be shown."""

    def getConfigDict() -> dict[str, Any]:
        """The configuration as a dictionary."""


class IRenderable(Interface):
    """A value that is worked out when a build knows its properties."""

    def getRenderingFor(iprops: Any) -> Any:
        """The value for these properties, or a Deferred of it; ``iprops`` provides :class:`IProperties`."""


class IProperties(Interface):
    """Named values, each with the source it came from."""

    def getProperty(name: str, default: Any = None) -> Any:
        """The value of a property, or ``default``."""

    def hasProperty(name: str) -> bool:
        """Whether there is such a property."""

    def has_key(name: str) -> bool:
        """The same; kept for old configurations."""

    def setProperty(name: str, value: Any, source: str, runtime: bool = False) -> None:
        """Set a property; ``source`` says who did; ``runtime`` that it came to be during the build."""

    def getProperties() -> Any:
        """The :class:`~buildmaster.properties.Properties` behind this object."""

    def getBuild() -> Any:
        """The build that the properties belong to, if any."""

    def render(value: Any) -> Any:
        """A Deferred of the value with everything in it rendered."""


class IScheduler(Interface):
    """Decides what is to be built."""

    name = Attribute("the unique name")


class ITriggerableScheduler(Interface):
    """A scheduler that a :bb:step:`Trigger` step may use."""

    def trigger(
        waited_for: bool,
        sourcestamps: Any = None,
        set_props: Any = None,
        parent_buildid: int | None = None,
        parent_relationship: str | None = None,
    ) -> Any:
        """Start builds; returns (Deferred of ids, Deferred of the results)."""


class IChangeSource(Interface):
    """Brings in changes."""

    master = Attribute("the master, set before the source starts")

    def describe() -> str:
        """A line about this source, for people."""


class ISourceStamp(Interface):
    """Which source to build."""


class IEmailSender(Interface):
    """Sends mail."""


class IEmailLookup(Interface):
    """Finds the mail address of a name."""

    def getAddress(name: str) -> Any:
        """The address, or None, or a Deferred of one."""


class IHttpResponse(Interface):
    """An answer to a request of the HTTP client."""

    code = Attribute("the status code")
    url = Attribute("where it came from")

    def content() -> Any:
        """A Deferred of the body as bytes."""

    def json() -> Any:
        """A Deferred of the body read as JSON."""


class IWorker(Interface):
    """A configured worker."""


class ILatentWorker(IWorker):
    """A worker that is started when it is needed."""

    substantiated = Attribute("whether the instance runs")

    def substantiate() -> Any:
        """Start the instance; a Deferred that fires when it is ready."""


class IMachine(Interface):
    """A machine that hosts workers."""


class IMachineAction(Interface):
    """What is done to a machine."""

    def perform(manager: Any) -> Any:
        """Do it; returns a Deferred of whether it went well."""


class ILatentMachine(IMachine):
    """A machine that is started when it is needed."""


class ILogFile(Interface):
    """A log being written."""


class ILogObserver(Interface):
    """Sees everything that is written to a log, once and in order."""

    def setStep(step: Any) -> None:
        """The step whose log is observed."""

    def setLog(log: Any) -> None:
        """The log that is observed."""

    def gotData(step: Any, log: Any, channel: str, text: str) -> None:
        """Text was written to a channel: ``o``, ``e`` or ``h``."""


class IBuildStep(Interface):
    """A step."""


class IBuildStepFactory(Interface):
    """Makes a step for each build."""

    def buildStep() -> Any:
        """A new step."""


class ITriggerableStep(Interface):
    """Kept for plugins that name it."""


class IConfigLoader(Interface):
    """Where a configuration comes from."""

    def loadConfig() -> Any:
        """The :class:`~buildmaster.config.master.MasterConfig`; raises ConfigErrors."""


class IConfigurator(Interface):
    """Adds to a configuration while it is loaded."""

    def configure(config_dict: dict[str, Any]) -> None:
        """Change the dictionary that master.cfg made."""


class IHttpRequest(Interface):
    """Kept for plugins that name it."""


class IReportGenerator(Interface):
    """Makes the messages of a reporter."""
