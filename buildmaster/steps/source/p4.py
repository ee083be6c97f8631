"""Perforce: make a client and synchronise it with the workdir."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from buildmaster.base.errors import error
from buildmaster.base.interfaces import IRenderable, WorkerSetupError
from buildmaster.properties import Interpolate
from buildmaster.steps.source.checkout import Checkout

DEFAULT_CLIENT = "buildbot_%(prop:workername)s_%(prop:buildername)s"
CLIENT_TYPES = (None, "readonly", "partitioned")
HIDDEN = "XXXXXX"

_change = re.compile(r"^Change (\d+) ", re.MULTILINE)


class P4(Checkout):
    """Fetches files of a Perforce server by a client made for the purpose.

    What the client shows is said in one of two ways.  ``p4base``, a path without slash at its end, and ``p4branch``
    make the line ``BASE/BRANCH/... //CLIENT/...``; ``p4extra_views`` is a list of further (path, path in the client).
    Or ``p4viewspec`` is the list of all lines, behind each path of which ``p4viewspec_suffix`` is put (None: nothing).
    With ``stream`` the client is that of the stream ``BASE/BRANCH``.

    ``p4client`` is the client's name and must be of this builder and worker alone; ``p4client_spec_options``,
    ``p4client_type`` (None, ``readonly`` or ``partitioned``) and ``p4line_end`` go into its description.

    ``p4port``, ``p4user`` and ``p4passwd`` are for the server; with ``use_tickets`` the step logs in with the password
    first, and it is on no other command line.  ``p4bin`` is the program, ``p4extra_args`` go before the commands that
    synchronise; ``debug`` shows the client's description in the log.

    ``mode`` is ``incremental`` (what earlier builds left stays) or ``full``, whose ``method`` is ``clobber`` (all is
    fetched anew; the default), ``fresh`` (by ``p4 clean -I``) or ``clean`` (by ``p4 clean``, ignored files stay).

    The number of the newest change that was fetched is kept in the property ``got_revision``.
    """

    name = "p4"
    renderables = ["mode", "p4base", "p4client", "p4viewspec", "p4branch", "p4passwd", "p4port", "p4user"]
    methods = ("clobber", "fresh", "clean")
    default_method = "clobber"
    possible_modes = ("incremental", "full")
    possible_client_types = CLIENT_TYPES

    def __init__(
        self,
        mode: Any = "incremental",
        method: Any = None,
        p4base: Any = None,
        p4branch: Any = None,
        p4port: Any = None,
        p4user: Any = None,
        p4passwd: Any = None,
        p4extra_views: Sequence[tuple[str, str]] = (),
        p4line_end: str = "local",
        p4viewspec: Any = None,
        p4viewspec_suffix: str | None = "...",
        p4client: Any = None,
        p4client_spec_options: str = "allwrite rmdir",
        p4client_type: str | None = None,
        p4extra_args: Sequence[Any] | None = None,
        p4bin: str = "p4",
        use_tickets: bool = False,
        stream: bool = False,
        debug: bool = False,
        **kwargs: Any,
    ) -> None:
        self.p4base = p4base
        self.p4branch = self.branch = p4branch
        self.p4port = p4port
        self.p4user = p4user
        self.p4passwd = p4passwd
        self.p4extra_views = p4extra_views
        self.p4line_end = p4line_end
        self.p4viewspec = p4viewspec
        self.p4viewspec_suffix = p4viewspec_suffix
        self.p4client = Interpolate(DEFAULT_CLIENT) if p4client is None else p4client
        self.p4client_spec_options = p4client_spec_options
        self.p4client_type = p4client_type
        self.p4extra_args = list(p4extra_args or [])
        self.p4bin = self.program = p4bin
        self.use_tickets = use_tickets
        self.stream = stream
        self.debug = debug
        super().__init__(mode=mode, method=method, **kwargs)
        self._check_arguments()

    def _check_arguments(self) -> None:
        if self.p4viewspec is not None and (self.p4base or self.p4branch or self.p4extra_views):
            error("P4: either p4viewspec or p4base/p4branch/p4extra_views, not both")
        if self.p4viewspec is not None and isinstance(self.p4viewspec, str):
            error("P4: p4viewspec must be a list of pairs (depot path, client path)")
        if self.p4viewspec is None and self.p4base is None:
            error("P4: must provide p4base or p4viewspec")
        if isinstance(self.p4base, str) and not IRenderable.providedBy(self.p4base):
            if self.p4base.endswith("/"):
                error(f"P4: p4base should not end with a trailing / [p4base = {self.p4base}]")
            if not self.p4base.startswith("//"):
                error(f"P4: p4base should start with // [p4base = {self.p4base}]")
        if isinstance(self.p4branch, str) and self.p4branch.endswith("/"):
            error(f"P4: p4branch should not end with a trailing / [p4branch = {self.p4branch}]")
        if self.p4client_type not in CLIENT_TYPES:
            error(f"P4: p4client_type must be None, readonly or partitioned, not {self.p4client_type!r}")
        if self.stream and (self.p4extra_views or self.p4viewspec):
            error("P4: a stream has a view of its own; leave out p4extra_views and p4viewspec")
        if self.stream and not (self.p4base and self.p4branch):
            error("P4: stream needs p4base and p4branch")
        if self.use_tickets and not self.p4passwd:
            error("P4: use_tickets needs p4passwd, to log in")

    # -- the client

    def _command(self, args: Sequence[Any]) -> list[Any]:
        command: list[Any] = [self.p4bin]
        if self.p4port:
            command += ["-p", self.p4port]
        if self.p4user:
            command += ["-u", self.p4user]
        if self.p4passwd and not self.use_tickets:
            command += ["-P", ("obfuscated", self.p4passwd, HIDDEN)]
        return [*command, *args]

    async def _p4(self, *args: Any, **kwargs: Any) -> Any:
        return await self._vc(["-c", self.p4client, *args], **kwargs)

    async def _prepare(self) -> None:
        # the program itself is looked for, without what a server wants to know
        if await self._run_in(self.workdir, [self.p4bin, "-V"]) != 0:
            raise WorkerSetupError(f"{self.p4bin} is not installed on worker")
        if self.use_tickets:
            await self._vc(["login"], stdin=f"{self.p4passwd}\n")
        description = self._client_spec()
        if self.debug:
            await self.stdio_log.addHeader(description)
        await self._p4("client", "-i", stdin=description)

    def _client_spec(self) -> str:
        """The client's description, in the form of ``p4 client -o``."""
        directory = self.build.path_module.join(self.getProperty("builddir"), self.workdir)
        lines = [
            f"Client: {self.p4client}",
            f"Owner: {self.p4user or ''}",
            "Description:\n\tMade for a builder",
            f"Root:\t{directory}",
            f"Options:\t{self.p4client_spec_options}",
            f"LineEnd:\t{self.p4line_end or 'local'}",
        ]
        if self.p4client_type is not None:
            lines.append(f"Type:\t{self.p4client_type}")
        if self.stream:
            lines.append(f"Stream:\t{self.p4base}/{self.update_branch}")
        else:
            lines += ["View:", *(f"\t{_quoted(depot)} {_quoted(path)}" for depot, path in self._view())]
        return "\n".join(lines) + "\n"

    def _view(self) -> list[tuple[str, str]]:
        client = f"//{self.p4client}/"
        if self.p4viewspec is not None:
            suffix = self.p4viewspec_suffix or ""
            return [(f"{depot}{suffix}", f"{client}{path}{suffix}") for depot, path in self.p4viewspec]
        top = f"{self.p4base}/{self.update_branch}" if self.update_branch else self.p4base
        more = [(f"{depot}/...", f"{client}{path}/...") for depot, path in self.p4extra_views]
        return [(f"{top}/...", f"{client}..."), *more]

    # -- what the steps of all systems do

    @property
    def _at(self) -> list[str]:
        return [f"//...@{self.revision}"] if self.revision is not None else []

    async def _is_updatable(self) -> bool:
        return await self.pathExists(self.workdir)

    async def _check_out(self) -> None:
        # the server believes that the client has its files: tell it otherwise
        await self._p4(*self.p4extra_args, "sync", "-f", *(self._at or ["//...#head"]))

    async def _update(self) -> None:
        await self._p4(*self.p4extra_args, "sync", *self._at)

    async def _purge(self, ignored: bool) -> None:
        await self._p4("clean", *(["-I"] if ignored else []))

    async def _find_revision(self) -> str | None:
        output = await self._p4("changes", "-m1", "#have", abandon=False, collect=True)
        found = _change.search(output)
        return found.group(1) if found else None

    def computeSourceRevision(self, changes: Sequence[Any]) -> Any:
        """The greatest number of the changes."""
        numbers = [int(change.revision) for change in changes if str(change.revision or "").isdigit()]
        return str(max(numbers)) if numbers else None


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
