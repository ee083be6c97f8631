"""A whole master on the real reactor, in the test's own process: for what needs child processes and sockets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from buildmaster.life.words import explain
from buildmaster.master import BuildMaster
from buildmaster.testing.master import DictLoader
from tests.support.real_reactor import reactor, run


class LiveMaster:
    """``config`` is what a master.cfg would put in ``BuildmasterConfig``, or a function that makes it."""

    def __init__(self, basedir: os.PathLike[str], config: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        os.makedirs(basedir, exist_ok=True)
        self.master = BuildMaster(os.fspath(basedir), reactor=reactor, config_loader=DictLoader(config))
        self.master.creates_database = True

    def __enter__(self) -> LiveMaster:
        running = self.master.when_running()
        self.master.startService()
        try:
            run(running)
        except Exception as e:
            raise AssertionError("\n".join(explain(e))) from e
        return self

    def __exit__(self, *exc: object) -> None:
        run(self.master.stopService())

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a documented method and wait for its answer."""
        return run(function(*args, **kwargs))

    def get(self, *path: object, **query: Any) -> Any:
        """What ``master.data.get`` answers for a path, its words given one by one."""
        return self.call(self.master.data.get, tuple(path), **query)
