"""What the reporters to hosting services have in common: a session of HTTP, a status for each revision of a build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twisted.logger import Logger

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.errors import error
from buildmaster.net.httpclient import HTTPSession
from buildmaster.properties import Properties
from buildmaster.reporters.base import ReporterBase
from buildmaster.reporters.generators.build import BuildStartEndStatusGenerator
from buildmaster.reporters.generators.buildrequest import BuildRequestGenerator
from buildmaster.reporters.http import REQUEST_SECONDS, accepted
from buildmaster.reporters.message import MessageFormatterRenderable

log = Logger()

OLDER_ARGUMENTS = ("builders", "startDescription", "endDescription")
"""Arguments of Buildbot before it had generators: which builders are reported, and the texts at start and end."""


class PushReporter(ReporterBase):
    """Pushes the first generator's report on a build to a service.

    Instead of ``generators`` there may be the arguments of older Buildbots: ``builders``, a list of names, and
    ``startDescription`` and ``endDescription``, renderable texts for a build that starts and one that has finished.
    """

    verbose = False
    session_class = HTTPSession
    _http: Any = None

    def checkConfig(self, generators: Any = None, **kwargs: Any) -> None:
        """Check the generators; subclasses check their own arguments first."""
        older = {name: kwargs.pop(name) for name in OLDER_ARGUMENTS if name in kwargs}
        if older and generators is not None:
            error(f"{type(self).__name__}: {', '.join(older)} can't be used together with generators")
        super().checkConfig(generators=self._generators(generators, older), **kwargs)

    @deferred
    async def reconfigService(self, generators: Any = None, **kwargs: Any) -> None:  # type: ignore[override]
        """Report by these generators from now on; subclasses take their own arguments over first."""
        older = {name: kwargs.pop(name) for name in OLDER_ARGUMENTS if name in kwargs}
        await super().reconfigService(generators=self._generators(generators, older), **kwargs)

    def _generators(self, generators: Any, older: Mapping[str, Any]) -> Any:
        made = self._create_default_generators() if generators is None else generators
        for generator in made if older else ():
            if older.get("builders") is not None:
                generator.builders = older["builders"]
            for name, attribute in (("startDescription", "start_formatter"), ("endDescription", "end_formatter")):
                if older.get(name) is not None and hasattr(generator, attribute):
                    setattr(generator, attribute, MessageFormatterRenderable(older[name]))
        return made

    def _create_default_generators(self) -> list[Any]:
        return [BuildRequestGenerator(), BuildStartEndStatusGenerator()]

    # -- the session ---------------------------------------------------------------------------------------------------

    async def _open(
        self,
        base_url: str,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        debug: bool | None = None,
        verify: Any = None,
    ) -> None:
        """Talk to this address from now on; a report that is on its way keeps the session that it began with."""
        agent = {"User-Agent": "Buildbot"}  # services know this one; some answer to no client without a name
        before, self._http = (
            self._http,
            self.session_class(
                self, base_url.rstrip("/"), auth, {**agent, **(headers or {})}, verify, None, bool(debug)
            ),
        )
        if before is not None:
            await before.close()

    @deferred
    async def stopService(self) -> None:
        """Stop, and close the connections."""
        await super().stopService()
        await self._close()

    async def _close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    # -- reports -------------------------------------------------------------------------------------------------------

    def is_status_2xx(self, code: int) -> bool:
        """Whether a status of HTTP means success."""
        return code // 100 == 2

    async def _taken(self, response: Any, what: str) -> bool:
        """Whether the service took what was sent; raises TryLater if it may do so later.  ``what`` says it in words."""
        if not await accepted(response, f"reporter {self.name!r}: {what}"):
            return False
        if self.verbose:
            log.info("reporter {name!r}: {what} is done", name=self.name, what=what)
        return True

    async def _post(self, path: str, body: Any, **kwargs: Any) -> Any:
        """The service's answer to this JSON."""
        return await self._http.post(path, json=body, timeout=REQUEST_SECONDS, **kwargs)

    @deferred
    async def _send(self, path: str, body: dict[str, Any]) -> Any:
        """The same as a Deferred, for the documented methods that push one thing."""
        return await self._post(path, body)

    def _properties(self, build: Mapping[str, Any]) -> Properties:
        """The properties of a build, by which arguments are rendered."""
        properties = Properties.fromDict(build.get("properties") or {})
        properties.master = self.master
        return properties

    def _check_address(self, what: str, address: Any) -> None:
        if not isinstance(address, str) or not address.startswith(("http://", "https://")):
            kind = type(self).__name__
            error(f"{kind}: {what} must be an address that begins with http:// or https://, not {address!r}")


def first_build(reports: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(report, build) of the first generator's report, which is the one that is pushed."""
    return reports[0], reports[0]["builds"][0]


def sources_of(build: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """(source stamp, revision) for each source of a build whose revision is known: as asked for, or as it was found."""
    found = (build.get("properties") or {}).get("got_revision", (None,))[0]
    for stamp in build["buildset"]["sourcestamps"]:
        got = found.get(stamp["codebase"]) if isinstance(found, Mapping) else found
        revision = stamp["revision"] or got
        if revision:
            yield stamp, str(revision)


async def rendered_text(properties: Properties, value: Any) -> str | None:
    """A renderable argument as text; None stays None."""
    value = await maybe(properties.render, value)
    return None if value is None else str(value)
