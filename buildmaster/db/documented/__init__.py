"""``master.db.builds``, ``master.db.changes`` …: the documented connectors, for those who use them.

Nothing inside uses them: they are a second way to the tables' own modules beside this one, with the documented names,
records and Deferreds.  What they write is told like all else, and an answer means committed.
"""

from __future__ import annotations

from typing import Any


class Connectors:
    """The attributes of ``master.db`` that are connectors, each made when it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        from buildmaster.db.documented.connectors import CONNECTORS  # only custom code needs them

        kind = CONNECTORS.get(name)
        if kind is None:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        made = self.__dict__[name] = kind(self)
        return made
