"""Which dialects there are, and what the configuration says of them.

The built-in ones are found as those of other packages are: by the entry point groups ``buildmaster.webhooks`` and
``buildbot.webhooks``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

from twisted.cred.checkers import ICredentialsChecker

GROUPS = ("buildmaster.webhooks", "buildbot.webhooks")
KEY = "c['www']['change_hook_dialects']"


def available() -> dict[str, metadata.EntryPoint]:
    """The installed dialects by name, ours before others of the same name."""
    found: dict[str, metadata.EntryPoint] = {}
    installed = metadata.entry_points()
    for group in GROUPS:
        for entry in installed.select(group=group):
            if entry.dist is None or entry.dist.name.lower() != "buildbot":
                found.setdefault(entry.name, entry)
    return found


def options_of(dialects: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The options of a dialect; None if it is not switched on."""
    options = dialects.get(name, False)
    if options is False:
        return None
    return dict(options) if isinstance(options, Mapping) else {}


def handler_class(name: str, options: Mapping[str, Any]) -> Callable[[Any, dict[str, Any]], Any]:
    """What makes the handler of a dialect; raises LookupError or ImportError with the mend."""
    if options.get("custom_class"):
        custom: Callable[[Any, dict[str, Any]], Any] = options["custom_class"]
        return custom
    entries = available()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        mend = (
            f"did you mean {near[0]!r}?"
            if near
            else f"there are {', '.join(sorted(entries))}; a class of your own goes by 'custom_class'"
        )
        raise LookupError(f"there is no hook {name!r}: {mend}")
    try:
        loaded: Callable[[Any, dict[str, Any]], Any] = entries[name].load()
    except Exception as error:
        raise ImportError(f"the hook {name!r} ({entries[name].value}) can't be imported: {error}") from error
    return loaded


# -- checks ------------------------------------------------------------------------------------------------------------


def check(dialects: Any, auth: Any) -> list[str]:
    """A sentence for each mistake in ``change_hook_dialects`` and ``change_hook_auth``."""
    errors = []
    for name in dialects if isinstance(dialects, Mapping) else ():
        errors += _check_dialect(name, dialects[name])
    checkers = auth if isinstance(auth, list | tuple) else [auth] if auth is not None else []
    if not all(ICredentialsChecker.providedBy(checker) for checker in checkers) or isinstance(auth, str):
        errors.append(
            "c['www']['change_hook_auth'] must be a list of credentials checkers such as "
            "[strcred.makeChecker('file:/path/to/passwords')]"
        )
    return errors


def _check_dialect(name: Any, given: Any) -> list[str]:
    place = f"{KEY}[{name!r}]"
    if not isinstance(given, bool | Mapping | None):
        return [f"{place} is {given!r}: it must be True, False or a dictionary of options"]
    if given is False:
        return []
    options = {} if given is True or given is None else dict(given)
    try:
        kind = handler_class(name, options)
    except (LookupError, ImportError) as error:
        return [f"{KEY}: {error}"]
    if not callable(kind):
        return [f"{place}['custom_class'] is {kind!r}: it must be a class such as one derived from webhooks.base"]
    return _check_options(place, options, vars(kind).get("known_options") if isinstance(kind, type) else None)


def _check_options(place: str, options: dict[str, Any], known: frozenset[str] | None) -> list[str]:
    errors: list[str] = []
    if known is None:  # somebody else's class, who knows his options himself
        return errors
    for unknown in sorted(str(option) for option in set(options) - known - {"custom_class"}):
        has = f"the options are {', '.join(sorted(known))}" if known else "this hook has no options"
        errors.append(f"{place}: there is no option {unknown!r}; {has}")
    for option, is_right, needed in _OPTIONS:
        value = options.get(option)
        if option in known and value is not None and not is_right(value):
            errors.append(f"{place}[{option!r}] is {value!r}: it must be {needed}")
    if options.get("strict") and not options.get("secret"):
        errors.append(f"{place}: 'strict' is set, but there is no 'secret' to check signatures with")
    return errors


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _are_patterns(value: Any) -> bool:
    if not _is_list_of_texts(value):
        return False
    try:
        for pattern in value:
            re.compile(pattern)
    except re.error:
        return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_OPTIONS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("allowed", _is_list_of_texts, "a list of names of pollers"),
    ("bitbucket_property_whitelist", _is_list_of_texts, "a list of patterns such as ['bitbucket.*']"),
    ("class", callable, "a class derived from GitHubEventHandler"),
    ("codebase", lambda value: isinstance(value, str) or callable(value), "a text or a function of the payload"),
    ("debug", lambda value: isinstance(value, bool), "True or False"),
    ("github_api_endpoint", _is_text, "an address such as 'https://github.example.org/api/v3'"),
    ("github_property_whitelist", _is_list_of_texts, "a list of patterns such as ['github.*']"),
    ("pullrequest_ref", _is_text, "'merge' or 'head'"),
    ("skips", _are_patterns, "a list of regular expressions"),
    ("strict", lambda value: isinstance(value, bool), "True or False"),
)
