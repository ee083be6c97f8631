"""User names and passwords for git over HTTP, as git's own credential helpers take them.

The text format is that of ``git credential`` (git-credential(1), INPUT/OUTPUT FORMAT); what is put on disk is the
format of git-credential-store(1): one URL with user name and password a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from twisted.internet import defer
from zope.interface import implementer

from buildmaster.base.aio import deferred, maybe
from buildmaster.base.compare import ComparableMixin
from buildmaster.base.interfaces import IRenderable


class GitCredentialOptions(NamedTuple):
    """Credentials for git's HTTP(S) remotes.

    ``credentials`` is a list of texts (or renderables of such) in the input format of ``git credential``;
    ``use_http_path``, when not None, sets ``credential.useHttpPath`` for the commands that need credentials.
    """

    credentials: Sequence[Any]
    use_http_path: bool | None = None


@implementer(IRenderable)
class GitCredentialInputRenderer(ComparableMixin):
    """Renders keyword arguments (``url``, ``username``, ``password`` …) to a text for :class:`GitCredentialOptions`.

    Values may be renderables, secrets among them.
    """

    compare_attrs = ("_attributes",)

    def __init__(self, **credential_attributes: Any) -> None:
        self._attributes = credential_attributes

    @deferred
    async def getRenderingFor(self, props: Any) -> str:
        """The attributes as ``key=value`` lines, ended by an empty one; those that render to None are left out."""
        lines = []
        for key in sorted(self._attributes, key=lambda name: name != "url"):  # git lets url= reset what stands before
            value = await maybe(props.render, self._attributes[key])
            if value is not None:
                lines.append(f"{key}={value}\n")
        return "".join(lines) + "\n"


def options_for(
    auth_credentials: tuple[Any, Any] | None, git_credentials: GitCredentialOptions | None, repourl: Any
) -> GitCredentialOptions | None:
    """Both ways of giving credentials as one.

    ``auth_credentials``, a pair (user name, password), is for ``repourl`` alone.
    """
    if auth_credentials is None:
        return git_credentials
    username, password = auth_credentials
    own = GitCredentialInputRenderer(url=repourl, username=username, password=password)
    others = list(git_credentials.credentials) if git_credentials is not None else []
    return GitCredentialOptions([own, *others], git_credentials.use_http_path if git_credentials else None)


def store_line(text: str) -> str:
    """One credential in git's input format as a line of a credential store.

    Raises ValueError when it lacks what git needs: a protocol and host (or url), a user name and a password.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition("=")
        if not separator:
            continue
        if key == "url":
            fields.update(_url_fields(value))
        else:
            fields[key] = value
    missing = [key for key in ("protocol", "host", "username", "password") if not fields.get(key)]
    if missing:
        raise ValueError(f"a git credential lacks {', '.join(missing)}; give url=, username= and password=")
    user, password = (quote(fields[key], safe="") for key in ("username", "password"))
    path = quote(fields.get("path", "").lstrip("/"), safe="/")
    return f"{fields['protocol']}://{user}:{password}@{fields['host']}" + (f"/{path}" if path else "")


def _url_fields(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    fields = {"protocol": parts.scheme, "host": f"{host}:{parts.port}" if parts.port else host}
    if parts.username:
        fields["username"] = parts.username
    if parts.password:
        fields["password"] = parts.password
    if parts.path.strip("/"):
        fields["path"] = parts.path.lstrip("/")
    return fields


def store_file(credentials: Sequence[str], use_http_path: bool | None) -> str:
    """The contents of a credential store for these rendered texts.

    Without ``use_http_path`` the paths are left out, because git then asks without one.
    """
    lines = []
    for text in credentials:
        line = store_line(text)
        if not use_http_path:
            scheme, _, rest = line.partition("://")
            line = f"{scheme}://{rest.partition('/')[0]}"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def store_config(path: str, use_http_path: bool | None) -> list[str]:
    """Arguments for ``git`` that make it read this store and no other helper."""
    args = ["-c", "credential.helper=", "-c", f"credential.helper=store --file={_shell_quote(path)}"]
    if use_http_path is not None:
        args += ["-c", f"credential.useHttpPath={'true' if use_http_path else 'false'}"]
    return args


def _shell_quote(path: str) -> str:
    return '"' + path.replace("\\", "/").replace('"', '\\"') + '"'


def render_options(options: GitCredentialOptions, render: Any) -> defer.Deferred[GitCredentialOptions]:
    """The options with all texts rendered by ``render(value)``."""

    async def work() -> GitCredentialOptions:
        texts = [await maybe(render, credential) for credential in options.credentials]
        return GitCredentialOptions(texts, options.use_http_path)

    return defer.Deferred.fromCoroutine(work())
