"""The dialect ``base``: one change from the fields of a form, and the base class of all handlers."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet import defer

from buildmaster.www.hooks.reading import Refused, argument, read_json


class BaseHookHandler:
    """Makes changes of requests to ``/change_hook/DIALECT``.

    Subclasses override :meth:`getChanges`.  ``options`` is what ``c['www']['change_hook_dialects']`` says of the
    dialect: a dictionary, empty for ``True``.  A subclass is used by ``custom_class``, or registered under the entry
    point group ``buildmaster.webhooks`` or ``buildbot.webhooks``.
    """

    #: names of the options that this dialect knows; None: any, the handler checks them itself
    known_options: ClassVar[frozenset[str] | None] = frozenset()

    def __init__(self, master: Any, options: dict[str, Any] | None) -> None:
        self.master = master
        self.options = {} if options is None else options

    def getChanges(self, request: Any) -> Any:
        """A Deferred of (changes, version control system): dictionaries of ``addChange``'s arguments, and ``src``.

        Raise ValueError to have the request answered with 400 and the error's text.
        """
        return defer.succeed(([form_change(request)], argument(request, b"src")))


def form_change(request: Any) -> dict[str, Any]:
    """The change of a form: ``files`` is a JSON list, ``properties`` a JSON object, the others are texts."""
    when = argument(request, b"when_timestamp", argument(request, b"when"))
    return {
        "author": argument(request, b"author", argument(request, b"who")),
        "committer": argument(request, b"committer"),
        "files": _json(request, b"files", list),
        "comments": argument(request, b"comments"),
        "revision": argument(request, b"revision"),
        "when_timestamp": None if when is None else _seconds(when),
        "branch": argument(request, b"branch"),
        "category": argument(request, b"category"),
        "revlink": argument(request, b"revlink"),
        "properties": _json(request, b"properties", dict),
        "repository": argument(request, b"repository") or "",
        "project": argument(request, b"project") or "",
        "codebase": argument(request, b"codebase"),
    }


def _json(request: Any, name: bytes, kind: type) -> Any:
    given = argument(request, name)
    if not given:
        return kind()
    value = read_json(given)
    if not isinstance(value, kind):
        raise Refused(f"{name.decode()} must be a JSON {'list' if kind is list else 'object'}, not {given[:80]}")
    return value


def _seconds(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise Refused(f"could not convert string to float: when_timestamp={given[:80]!r}")


base = BaseHookHandler
