"""Filters that say which changes and source stamps are wanted.

A filter is a conjunction of small declared checks and of user functions.  The declared part can be stored as JSON
and evaluated again later, so that "why did this change not build?" needs no row for each refusal; a function's
verdict can't be, and is recorded by whoever asked it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from buildmaster.base.compare import ComparableMixin


class _NotABranch:
    """The default of ``branch``: not asked about, where None means "the branch is None"."""

    def __repr__(self) -> str:
        return "NotABranch"

    def __bool__(self) -> bool:
        return False

    def __copy__(self) -> _NotABranch:
        return self

    def __deepcopy__(self, memo: dict) -> _NotABranch:
        return self

    def __reduce__(self) -> str:
        return "NotABranch"


NotABranch = _NotABranch()

Values = None | str | Sequence[str]
Patterns = None | str | re.Pattern[str] | Sequence[str | re.Pattern[str]]


@attrs.frozen
class Check:
    """One declared condition on one field; all of its kind are listed in ``_CHECKS``."""

    name: str  # the attribute's, or the property's name
    kind: str  # "in", "not in", "matches", "does not match"
    values: tuple[Any, ...]  # strings (None for a branch), or compiled regular expressions

    def holds(self, value: Any) -> bool:
        """Whether a field with this value satisfies the condition."""
        return _CHECKS[self.kind](value, self.values)

    def __str__(self) -> str:
        return f"{self.name} {self.kind} {list(self.values)!r}"

    def to_json(self) -> list[Any]:
        """The condition as JSON-able data; :meth:`from_json` makes it again."""
        values = [[v.pattern, v.flags] if isinstance(v, re.Pattern) else v for v in self.values]
        return [self.name, self.kind, values]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Check:
        """The condition that :meth:`to_json` described."""
        name, kind, values = data
        return cls(name, kind, tuple(re.compile(v[0], v[1]) if isinstance(v, list) else v for v in values))


def _matches(value: Any, patterns: Sequence[re.Pattern[str]]) -> bool:
    return value is not None and any(pattern.match(str(value)) for pattern in patterns)


_CHECKS: Mapping[str, Callable[[Any, tuple[Any, ...]], bool]] = {
    "in": lambda value, wanted: value in wanted,
    "not in": lambda value, refused: value not in refused,
    "matches": _matches,
    "does not match": lambda value, patterns: not _matches(value, patterns),
}


def _strings(values: Any, argument: str, none_is_value: bool = False) -> tuple[Any, ...]:
    if none_is_value and values is None:
        return (None,)
    if isinstance(values, str):
        return (values,)
    allowed = (str, type(None)) if none_is_value else str
    if isinstance(values, list | tuple | set | frozenset) and all(isinstance(value, allowed) for value in values):
        return tuple(values)
    wanted = "list of strings, a string or None" if none_is_value else "list of strings or a string"
    raise ValueError(f"Values of filter {argument} must be {wanted}")


def _patterns(values: Any, argument: str) -> tuple[re.Pattern[str], ...]:
    if isinstance(values, str | re.Pattern):
        values = [values]
    if not isinstance(values, list | tuple) or not all(isinstance(value, str | re.Pattern) for value in values):
        raise ValueError(f"Values of filter {argument} must be list of strings, a string or regex")
    try:
        return tuple(re.compile(value) for value in values)
    except re.error as e:
        raise ValueError(f"Values of filter {argument}: {e.pattern!r} is no regular expression: {e}") from e


def checks_for(name: str, eq: Any, not_eq: Any, regex: Any, not_regex: Any) -> list[Check]:
    """The checks of one field from its four arguments; an argument that is None asks nothing.

    For ``branch`` the value that asks nothing is :data:`NotABranch`, because None is a branch.
    """
    is_branch = name == "branch"
    unset = NotABranch if is_branch else None
    found = []
    if eq is not unset:
        found.append(Check(name, "in", _strings(eq, f"{name}_eq", is_branch)))
    if not_eq is not unset:
        found.append(Check(name, "not in", _strings(not_eq, f"{name}_not_eq", is_branch)))
    if regex is not None:
        found.append(Check(name, "matches", _patterns(regex, f"{name}_re")))
    if not_regex is not None:
        found.append(Check(name, "does not match", _patterns(not_regex, f"{name}_not_re")))
    return found


def _property_checks(eq: Any, not_eq: Any, regex: Any, not_regex: Any) -> list[Check]:
    found = []
    for argument, kind, values, extract in (
        ("property_eq", "in", eq, _strings),
        ("property_not_eq", "not in", not_eq, _strings),
        ("property_re", "matches", regex, _patterns),
        ("property_not_re", "does not match", not_regex, _patterns),
    ):
        if values is None:
            continue
        if not isinstance(values, dict):
            raise ValueError(f"Value of filter {argument} must be dict")
        found += [Check(name, kind, extract(wanted, f"{argument} {name}")) for name, wanted in values.items()]
    return found


def property_of(change: Any, name: str) -> Any:
    """A change's property, whether its properties are a Properties instance or (value, source) pairs by name."""
    properties = change.properties
    if hasattr(properties, "getProperty"):
        return properties.getProperty(name)
    value = properties.get(name)
    return value[0] if isinstance(value, tuple | list) and len(value) == 2 else value


class ChangeFilter(ComparableMixin):
    """Which changes a scheduler wants.

    For each of ``project``, ``repository``, ``branch``, ``category`` and ``codebase`` there are

    ``X``
        a string or a list of strings, one of which the change's field must equal (for ``branch``, None is a value too);
    ``X_not_eq``
        a string or list of strings, none of which it may equal;
    ``X_re``, ``X_not_re``
        a regular expression (text, compiled, or a list), one of which must match, none of which may, at the beginning;
    ``X_fn``
        a function of the field that returns whether the change is wanted.

    ``property_eq``, ``property_not_eq``, ``property_re`` and ``property_not_re`` are dictionaries from the name of one
    of the change's properties to the same kinds of values.  ``filter_fn`` is a function of the whole change.  A change
    is wanted if all that is given agrees.  Raises ValueError for values of the wrong type.
    """

    compare_attrs = (
        "filter_fn",
        "filters",
        "property_filters",
        "project_fn",
        "repository_fn",
        "branch_fn",
        "category_fn",
        "codebase_fn",
    )

    _function_fields = ("project", "repository", "branch", "category", "codebase")

    def __init__(
        self,
        filter_fn: Callable[[Any], Any] | None = None,
        project: Values = None,
        project_not_eq: Values = None,
        project_re: Patterns = None,
        project_not_re: Patterns = None,
        project_fn: Callable[[Any], Any] | None = None,
        repository: Values = None,
        repository_not_eq: Values = None,
        repository_re: Patterns = None,
        repository_not_re: Patterns = None,
        repository_fn: Callable[[Any], Any] | None = None,
        branch: Any = NotABranch,
        branch_not_eq: Any = NotABranch,
        branch_re: Patterns = None,
        branch_not_re: Patterns = None,
        branch_fn: Callable[[Any], Any] | None = None,
        category: Values = None,
        category_not_eq: Values = None,
        category_re: Patterns = None,
        category_not_re: Patterns = None,
        category_fn: Callable[[Any], Any] | None = None,
        codebase: Values = None,
        codebase_not_eq: Values = None,
        codebase_re: Patterns = None,
        codebase_not_re: Patterns = None,
        codebase_fn: Callable[[Any], Any] | None = None,
        property_eq: Mapping[str, Values] | None = None,
        property_not_eq: Mapping[str, Values] | None = None,
        property_re: Mapping[str, Patterns] | None = None,
        property_not_re: Mapping[str, Patterns] | None = None,
    ) -> None:
        self.filter_fn = filter_fn
        self.project_fn = project_fn
        self.repository_fn = repository_fn
        self.branch_fn = branch_fn
        self.category_fn = category_fn
        self.codebase_fn = codebase_fn
        self.filters = (
            checks_for("project", project, project_not_eq, project_re, project_not_re)
            + checks_for("codebase", codebase, codebase_not_eq, codebase_re, codebase_not_re)
            + checks_for("repository", repository, repository_not_eq, repository_re, repository_not_re)
            + checks_for("category", category, category_not_eq, category_re, category_not_re)
            + checks_for("branch", branch, branch_not_eq, branch_re, branch_not_re)
        )
        self.property_filters = _property_checks(property_eq, property_not_eq, property_re, property_not_re)

    @staticmethod
    def fromSchedulerConstructorArgs(
        change_filter: ChangeFilter | None = None, branch: Any = NotABranch, categories: Any = None
    ) -> ChangeFilter | None:
        """The filter that a scheduler's ``change_filter``, or its older ``branch`` and ``categories``, ask for."""
        if change_filter:
            if branch is not NotABranch or categories is not None:
                raise RuntimeError("cannot specify both change_filter and branch or categories")
            return change_filter
        if branch is NotABranch and not categories:
            return None
        return ChangeFilter(branch=branch, category=categories or None)

    def _functions(self) -> list[tuple[str, Callable[[Any], Any]]]:
        pairs = [(field, getattr(self, f"{field}_fn")) for field in self._function_fields]
        return [(field, function) for field, function in pairs if function is not None]

    def filter_change(self, change: Any) -> bool:
        """Whether this change is wanted.  What a user function raises comes through."""
        return self.refusal(change) is None

    def declared_refusal(self, change: Any) -> str | None:
        """The first declared condition that the change does not meet, in words; None if it meets all."""
        for check in self.filters:
            value = getattr(change, check.name)
            if not check.holds(value):
                return f"its {check.name} is {value!r}; wanted: {check}"
        for check in self.property_filters:
            value = property_of(change, check.name)
            if not check.holds(value):
                return f"its property {check.name} is {value!r}; wanted: {check}"
        return None

    def refusal(self, change: Any) -> str | None:
        """Why the change is not wanted, in words; None if it is wanted."""
        refused = self.declared_refusal(change)
        if refused is not None:
            return refused
        for field, function in self._functions():
            if not function(getattr(change, field)):
                return f"{field}_fn said no to {getattr(change, field)!r}"
        if self.filter_fn is not None and not self.filter_fn(change):
            return "filter_fn said no"
        return None

    def has_functions(self) -> bool:
        """Whether user code takes part, whose verdict can't be computed again later."""
        return self.filter_fn is not None or bool(self._functions())

    def to_json(self) -> dict[str, Any]:
        """The declared part as JSON-able data, with the names of the functions that it can't hold."""
        names = [f"{field}_fn" for field, _ in self._functions()] + (["filter_fn"] if self.filter_fn else [])
        return {
            "filters": [check.to_json() for check in self.filters],
            "property_filters": [check.to_json() for check in self.property_filters],
            "functions": names,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ChangeFilter:
        """The declared part of a stored filter, as a filter of its own."""
        found = ChangeFilter()
        found.filters = [Check.from_json(check) for check in data["filters"]]
        found.property_filters = [Check.from_json(check) for check in data["property_filters"]]
        return found

    def __repr__(self) -> str:
        parts = [f"{getattr(self.filter_fn, '__name__', self.filter_fn)}()"] if self.filter_fn else []
        parts += [f"{getattr(function, '__name__', function)}({field})" for field, function in self._functions()]
        parts += [str(check) for check in [*self.filters, *self.property_filters]]
        return f"<{self.__class__.__name__} on {' and '.join(parts)}>"


class SourceStampFilter(ComparableMixin):
    """Which source stamps something applies to (that of a finished build, of a request to be cancelled …).

    The arguments for ``project``, ``repository``, ``branch`` and ``codebase`` are those of :class:`ChangeFilter`, with
    ``X_eq`` for ``X``; ``filter_fn`` gets the source stamp as a dictionary.
    """

    compare_attrs = ("filter_fn", "filters")

    def __init__(
        self,
        filter_fn: Callable[[Mapping[str, Any]], Any] | None = None,
        project_eq: Values = None,
        project_not_eq: Values = None,
        project_re: Patterns = None,
        project_not_re: Patterns = None,
        repository_eq: Values = None,
        repository_not_eq: Values = None,
        repository_re: Patterns = None,
        repository_not_re: Patterns = None,
        branch_eq: Any = NotABranch,
        branch_not_eq: Any = NotABranch,
        branch_re: Patterns = None,
        branch_not_re: Patterns = None,
        codebase_eq: Values = None,
        codebase_not_eq: Values = None,
        codebase_re: Patterns = None,
        codebase_not_re: Patterns = None,
    ) -> None:
        self.filter_fn = filter_fn
        self.filters = (
            checks_for("project", project_eq, project_not_eq, project_re, project_not_re)
            + checks_for("codebase", codebase_eq, codebase_not_eq, codebase_re, codebase_not_re)
            + checks_for("repository", repository_eq, repository_not_eq, repository_re, repository_not_re)
            + checks_for("branch", branch_eq, branch_not_eq, branch_re, branch_not_re)
        )

    def is_matched(self, ss: Mapping[str, Any]) -> bool:
        """Whether the filter agrees to this source stamp (a dictionary as the data API shows it)."""
        if self.filter_fn is not None and not self.filter_fn(ss):
            return False
        return all(check.holds(ss[check.name]) for check in self.filters)

    def __repr__(self) -> str:
        parts = [f"{getattr(self.filter_fn, '__name__', self.filter_fn)}()"] if self.filter_fn else []
        return f"<{self.__class__.__name__} on {' and '.join(parts + [str(check) for check in self.filters])}>"
