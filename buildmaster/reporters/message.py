"""Message formatters: from a build, buildset or worker to the text of a report.

A formatter answers with a dictionary: ``body``, ``type`` (``plain``, ``html`` or ``json``), ``subject`` and
``extra_info``; its ``want_…`` attributes say what has to be read for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import error
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS, Results
from buildmaster.properties import Properties
from buildmaster.reporters import templates
from buildmaster.reporters.contexts import (
    create_context_for_build,
    create_context_for_buildset,
    create_context_for_worker,
    get_detected_status_text,
    get_message_source_stamp_text,
    get_message_summary_text,
    get_projects_text,
)
from buildmaster.reporters.templates import (
    default_body_template_html,
    default_body_template_plain,
    default_missing_template_html,
    default_missing_template_plain,
    default_missing_worker_subject_template,
    default_subject_template,
)
from buildmaster.reporters.wants import today as wants_today

__all__ = [
    "CANCELLED",
    "EXCEPTION",
    "FAILURE",
    "RETRY",
    "SKIPPED",
    "SUCCESS",
    "WARNINGS",
    "MessageFormatter",
    "MessageFormatterBase",
    "MessageFormatterBaseJinja",
    "MessageFormatterEmpty",
    "MessageFormatterFunction",
    "MessageFormatterFunctionRaw",
    "MessageFormatterMissingWorker",
    "MessageFormatterRenderable",
    "Results",
    "create_context_for_build",
    "create_context_for_buildset",
    "create_context_for_worker",
    "default_body_template_html",
    "default_body_template_plain",
    "default_missing_template_html",
    "default_missing_template_plain",
    "default_missing_worker_subject_template",
    "default_subject_template",
    "get_detected_status_text",
    "get_message_source_stamp_text",
    "get_message_summary_text",
    "get_projects_text",
]


class MessageFormatterBase(ComparableMixin):
    """The base class of formatters.

    :param ctx: more variables, by name, for templates
    :param want_properties: whether builds have their ``properties``
    :param want_steps: whether builds have their ``steps``
    :param want_logs: whether steps have their ``logs``
    :param want_logs_content: which logs have their ``content``: True, or names as ``"stdio"`` or ``"step.stdio"``

    ``wantProperties``, ``wantSteps`` and ``wantLogs`` are the spelling of Buildbot before 3.0.

    Subclasses define :meth:`render_message_body` and :meth:`render_message_subject`, or the ``format_…`` methods.
    """

    template_type = "plain"
    compare_attrs: ClassVar[Sequence[str]] = [
        "context",
        "want_properties",
        "want_steps",
        "want_logs",
        "want_logs_content",
        "template_type",
    ]

    def __init__(
        self,
        ctx: Mapping[str, Any] | None = None,
        want_properties: bool = True,
        want_steps: bool = False,
        want_logs: bool = False,
        want_logs_content: Any = False,
        **older: Any,
    ) -> None:
        self.context: dict[str, Any] = dict(ctx or {})
        wants = wants_today(
            type(self).__name__, older, want_properties=want_properties, want_steps=want_steps, want_logs=want_logs,
            want_logs_content=want_logs_content,
        )  # fmt: skip
        self.want_properties: bool = wants["want_properties"]
        self.want_steps: bool = wants["want_steps"]
        self.want_logs: bool = wants["want_logs"]
        self.want_logs_content: Any = wants["want_logs_content"]

    @property
    def ctx(self) -> dict[str, Any]:
        """The older name of ``context``."""
        return self.context

    def buildAdditionalContext(self, master: Any, ctx: dict[str, Any]) -> Any:
        """Add variables for the template; by default those that were given as ``ctx``.  May return a Deferred."""
        ctx.update(self.context)

    @deferred
    async def render_message_dict(self, master: Any, context: dict[str, Any]) -> dict[str, Any]:
        """The message for these variables."""
        await maybe(self.buildAdditionalContext, master, context)
        return {
            "body": await maybe(self.render_message_body, context),
            "type": self.template_type,
            "subject": await maybe(self.render_message_subject, context),
            "extra_info": await maybe(self.render_message_extra_info, context),
        }

    def render_message_body(self, context: dict[str, Any]) -> Any:
        """The text, or a Deferred of it; None: there is none."""
        return None

    def render_message_subject(self, context: dict[str, Any]) -> Any:
        """The subject, or a Deferred of it; None leaves it to the generator."""
        return None

    def render_message_extra_info(self, context: dict[str, Any]) -> Any:
        """A dictionary of dictionaries for reporters that can use it, or a Deferred of it; None: there is none."""
        return None

    def format_message_for_build(self, master: Any, build: Any, **kwargs: Any) -> Any:
        """The message on a build; a Deferred of a dictionary."""
        return self.render_message_dict(master, {"build": build})

    def format_message_for_buildset(self, master: Any, buildset: Any, builds: Any, **kwargs: Any) -> Any:
        """The message on a buildset and its builds; a Deferred of a dictionary."""
        return self.render_message_dict(master, {"buildset": buildset, "builds": builds})


class MessageFormatterEmpty(MessageFormatterBase):
    """Makes messages without text, for reporters that need the build only."""

    def format_message_for_build(self, master: Any, build: Any, **kwargs: Any) -> Any:
        """An empty message."""
        return {"body": None, "type": "plain", "subject": None, "extra_info": None}

    def format_message_for_buildset(self, master: Any, buildset: Any, builds: Any, **kwargs: Any) -> Any:
        """An empty message."""
        return {"body": None, "type": "plain", "subject": None, "extra_info": None}


class MessageFormatterFunction(MessageFormatterBase):
    """Has the text made by a function.

    :param function: is called with a dictionary that holds ``build``, or ``buildset`` and ``builds``; it answers with
        the body, or a Deferred or coroutine of it
    :param template_type: ``plain``, ``html`` or ``json`` (the body is a value that JSON can express)
    """

    compare_attrs: ClassVar[Sequence[str]] = ["function"]

    def __init__(self, function: Callable[[dict[str, Any]], Any], template_type: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template_type = template_type
        self.function = function
        _check_function(self, function)

    def render_message_body(self, context: dict[str, Any]) -> Any:
        """What the function says."""
        return self.function(context)


class MessageFormatterFunctionRaw(MessageFormatterBase):
    """Has the whole message made by a function.

    :param function: is called with a dictionary that holds ``build`` (or ``buildset`` and ``builds``), ``is_buildset``,
        ``users``, ``mode`` and ``master``; it answers with a dictionary, or a Deferred or coroutine of one, of
        ``body``, ``type``, ``subject`` and ``extra_info``, of which all may be left out
    """

    compare_attrs: ClassVar[Sequence[str]] = ["function"]

    def __init__(self, function: Callable[[dict[str, Any]], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.function = function
        _check_function(self, function)

    @deferred
    async def format_message_for_build(  # type: ignore[override]
        self, master: Any, build: Any, is_buildset: bool = False, users: Any = None, mode: Any = None
    ) -> dict[str, Any]:
        """What the function says of a build."""
        context = {"build": build, "is_buildset": is_buildset, "users": users, "mode": mode, "master": master}
        return await self._ask(context)

    @deferred
    async def format_message_for_buildset(
        self, master: Any, buildset: Any, builds: Any, users: Any = None, mode: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """What the function says of a buildset."""
        context = {"buildset": buildset, "builds": builds, "users": users, "mode": mode, "master": master}
        return await self._ask({**context, "is_buildset": True})

    async def _ask(self, context: dict[str, Any]) -> dict[str, Any]:
        answer = await maybe(self.function, context)
        if not isinstance(answer, Mapping):
            kind = type(answer).__name__
            raise TypeError(
                f"the function of a MessageFormatterFunctionRaw must answer with a dictionary, not a {kind}"
            )
        return {"body": None, "type": "plain", "subject": None, "extra_info": None, **answer}


class MessageFormatterRenderable(MessageFormatterBase):
    """Renders text with the build's properties.

    :param template: a renderable, say ``Interpolate("…")``: the body
    :param subject: a renderable: the subject

    In a message on a whole buildset the properties are those of its first build.
    """

    template_type = "plain"
    compare_attrs: ClassVar[Sequence[str]] = ["template", "subject"]

    def __init__(self, template: Any, subject: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.template = template
        self.subject = subject

    def format_message_for_build(self, master: Any, build: Any, **kwargs: Any) -> Any:
        """The rendered message on a build."""
        return self.render_message_dict(master, {"build": build, "master": master})

    def format_message_for_buildset(self, master: Any, buildset: Any, builds: Any, **kwargs: Any) -> Any:
        """The rendered message on a buildset."""
        return self.render_message_dict(master, {"build": builds[0] if builds else {}, "master": master})

    def render_message_body(self, context: dict[str, Any]) -> Any:
        """The body."""
        return self._render(self.template, context)

    def render_message_subject(self, context: dict[str, Any]) -> Any:
        """The subject."""
        return None if self.subject is None else self._render(self.subject, context)

    def _render(self, value: Any, context: dict[str, Any]) -> Any:
        properties = Properties.fromDict(context["build"].get("properties") or {})
        properties.master = context["master"]
        return properties.render(value)


@functools.cache
def _environment() -> Any:
    import jinja2

    return jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


@functools.lru_cache(maxsize=1000)
def _compiled(text: str) -> Any:
    """A template; one that is the default of a thousand reporters is compiled once."""
    return _environment().from_string(text)


class MessageFormatterBaseJinja(MessageFormatterBase):
    """Makes the text from Jinja2 templates.

    :param template: the body
    :param subject: the subject
    :param template_type: ``plain`` or ``html``
    :param extra_info_cb: a function of the template's variables that answers with a dictionary of dictionaries, or a
        Deferred or coroutine of one
    """

    template_type = "plain"
    subject_template: str | None = None
    uses_default_body_template = False
    compare_attrs: ClassVar[Sequence[str]] = ["body_template", "subject_template", "template_type", "extra_info_cb"]

    def __init__(
        self,
        template: str | None = None,
        subject: str | None = None,
        template_type: str | None = None,
        extra_info_cb: Callable[[dict[str, Any]], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if template_type is not None:
            self.template_type = template_type
        self.uses_default_body_template = template is None
        self.body_template = self._default_body() if template is None else template
        if subject is not None:
            self.subject_template = subject
        self.extra_info_cb = extra_info_cb
        super().__init__(**kwargs)
        if self.uses_default_body_template:
            self.want_steps = self.want_logs = True
        self._check()

    def _default_body(self) -> str:
        return {"html": default_body_template_html}.get(self.template_type, default_body_template_plain)

    def _check(self) -> None:
        """Report what is no template; a syntax error is found when the configuration is checked, not with a message."""
        import jinja2

        kind = type(self).__name__
        for name, text in (("template", self.body_template), ("subject", self.subject_template)):
            if text is None:
                continue
            if not isinstance(text, str):
                error(f"{kind}: {name} must be the text of a Jinja2 template, not {text!r}")
                continue
            try:
                _compiled(text)
            except jinja2.TemplateSyntaxError as e:
                error(f"{kind}: line {e.lineno} of the {name}: {e.message}")

    def buildAdditionalContext(self, master: Any, ctx: dict[str, Any]) -> Any:
        """Add the variables that were given as ``ctx``."""
        ctx.update(self.context)

    def render_message_body(self, context: dict[str, Any]) -> Any:
        """The rendered body."""
        return _compiled(self.body_template).render(context)

    def render_message_subject(self, context: dict[str, Any]) -> Any:
        """The rendered subject, in one line."""
        if self.subject_template is None:
            return None
        return " ".join(_compiled(self.subject_template).render(context).split())

    def render_message_extra_info(self, context: dict[str, Any]) -> Any:
        """What the callback says."""
        return None if self.extra_info_cb is None else self.extra_info_cb(context)


class MessageFormatter(MessageFormatterBaseJinja):
    """The usual formatter: Jinja2 templates with the documented variables of a build or buildset.

    Without a ``template`` the default one is used, and steps and logs are read for it.
    """

    subject_template: str | None = default_subject_template

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    @deferred
    async def format_message_for_build(  # type: ignore[override]
        self, master: Any, build: Any, is_buildset: bool = False, users: Any = None, mode: Any = None
    ) -> dict[str, Any]:
        """The message on a build, or on a build as a part of its buildset."""
        context = create_context_for_build(mode or (), build, is_buildset, master, users or [])
        return await maybe(self.render_message_dict, master, context)

    @deferred
    async def format_message_for_buildset(
        self, master: Any, buildset: Any, builds: Any, users: Any = None, mode: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """The message on a whole buildset: the template has ``builds`` instead of ``build``."""
        context = create_context_for_buildset(mode or (), buildset, builds, master, users or [])
        return await maybe(self.render_message_dict, master, context)

    def render_message_body(self, context: dict[str, Any]) -> Any:
        """The rendered body; the default template is another one for a whole buildset."""
        if self.uses_default_body_template and "build" not in context:
            html = self.template_type == "html"
            text = templates.buildset_body_template_html if html else templates.buildset_body_template_plain
            return _compiled(text).render(context)
        return super().render_message_body(context)


class MessageFormatterMissingWorker(MessageFormatterBaseJinja):
    """Makes the text on a worker that has been away too long; its template has ``worker``."""

    subject_template: str | None = default_missing_worker_subject_template

    def __init__(
        self, template: str | None = None, subject: str | None = None, template_type: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(template, subject, template_type, **kwargs)

    def _default_body(self) -> str:
        return {"html": default_missing_template_html}.get(self.template_type, default_missing_template_plain)

    def formatMessageForMissingWorker(self, master: Any, worker: Any) -> Any:
        """The message on a worker, which has ``last_connection`` and ``notify`` too; a Deferred of a dictionary."""
        return self.render_message_dict(master, create_context_for_worker(master, worker))


def _check_function(formatter: MessageFormatterBase, function: Any) -> None:
    if not callable(function):
        error(f"{type(formatter).__name__}: function must be a function, not {function!r}")
