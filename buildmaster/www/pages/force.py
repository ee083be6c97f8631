"""Forms of force schedulers: their fields as a template needs them, and what a filled-in form asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildmaster.base.strings import bytes2unicode
from buildmaster.data.exceptions import DataException
from buildmaster.www.jsonrpc import validation_message
from buildmaster.www.pages.page import Invalid
from buildmaster.www.pages.visit import Visit
from buildmaster.www.rest import act


class Form:
    """One force scheduler's form."""

    def __init__(self, forcer: Mapping[str, Any]) -> None:
        self.name = forcer["name"]
        self.label = forcer["label"] or forcer["name"]
        self.button = forcer["button_name"] or forcer["name"]
        self.fields = list(forcer["all_fields"])

    @property
    def has_files(self) -> bool:
        """Whether a file can be sent with it."""
        return any(field["type"] == "file" for field in leaves(self.fields))


def leaves(fields: Any) -> Iterator[Mapping[str, Any]]:
    """All fields that hold a value, through the nested ones."""
    for field in fields:
        if field["type"] == "nested":
            yield from leaves(field["fields"])
        else:
            yield field


def values(form: Form, args: Mapping[bytes, list[bytes]]) -> dict[str, Any]:
    """What was filled in, by full field name, as the force scheduler expects it."""
    found: dict[str, Any] = {}
    for field in leaves(form.fields):
        name = field["fullName"]
        given = [bytes2unicode(value, errors="replace") for value in args.get(name.encode(), [])]
        if field["type"] == "fixed":
            continue
        if field["type"] == "bool":
            found[name] = bool(given)
        elif field.get("multiple"):
            found[name] = given
        elif given:
            found[name] = given[0].replace("\r\n", "\n")
    return found


async def run(visit: Visit, builder: str, scheduler: str) -> str:
    """Force a build with what the form says; raises :class:`Invalid` with what is wrong with it."""
    found = await visit.need("builders", builder)
    forcer = await visit.need("forceschedulers", scheduler)
    entered = values(Form(forcer), visit.request.args)
    params = {**entered, "builderid": found["builderid"]}
    try:
        result = await act(visit.master.www, visit.request, ("forceschedulers", scheduler), "force", params)
    except (DataException, ValueError) as error:
        raise _invalid(error, builder, scheduler, entered)
    except Exception as error:
        if not hasattr(error, "errors"):
            raise
        raise _invalid(error, builder, scheduler, entered)
    return after(visit, result) or visit.url("builders", builder)


def _invalid(error: Exception, builder: str, scheduler: str, entered: dict[str, Any]) -> Invalid:
    message = validation_message(error)
    errors = message if isinstance(message, dict) else {"": str(message)}
    return Invalid(f"builders/{builder}", errors, entered, scheduler)


def after(visit: Visit, result: Any) -> str | None:
    """The page of the first request that an action's answer (buildset id, requests by builder) names."""
    if isinstance(result, (list, tuple)) and len(result) == 2 and isinstance(result[1], Mapping) and result[1]:
        return visit.url("buildrequests", next(iter(result[1].values())))
    return None
