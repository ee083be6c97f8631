"""The other end of a PB port: telling a master about a change, as ``sendchange`` and commit hooks do, and the like.

Speaks to this master and to a Buildbot master.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.internet import defer, endpoints, error
from twisted.spread import banana, pb

from buildmaster.base.aio import DeadlineExceeded, deferred, with_deadline

CONNECT_TIMEOUT = 30.0
"""Seconds to wait for the connection."""

ANSWER_TIMEOUT = 120.0
"""Seconds to wait for the login, and again for the master to have stored the change."""

LIMIT = banana.SIZE_LIMIT
"""Bytes that one text may have on the wire."""


class SendChangeFailed(Exception):
    """The master did not take the change; the message says why, in words for a user."""


@deferred
async def send_change(
    host: str, port: int | str, user: str, password: str, change: Mapping[str, Any], reactor: Any
) -> None:
    """Tell the master at ``host``:``port`` about a change; returns when the master has stored it.

    ``change`` is the dictionary of ``perspective_addChange``; values of None are sent as they are.  Raises
    :class:`SendChangeFailed`.
    """
    check_size(change)
    await logged_in(host, port, user, password, reactor, lambda remote: _call(remote, dict(change)), "the change")


@deferred
async def send_user_command(
    host: str, port: int | str, user: str, password: str, command: Mapping[str, Any], reactor: Any
) -> str:
    """Have a master's CommandlineUserManager do something with users; returns what it says of it.

    ``command`` has the arguments of ``perspective_commandline``: op, bb_username, bb_password, ids and info.  Raises
    :class:`SendChangeFailed`.
    """
    arguments = [command[name] for name in ("op", "bb_username", "bb_password", "ids", "info")]
    return await logged_in(
        host, port, user, password, reactor, lambda remote: remote.callRemote("commandline", *arguments), "the command"
    )


async def logged_in(
    host: str,
    port: int | str,
    user: str,
    password: str,
    reactor: Any,
    call: Callable[[Any], defer.Deferred[Any]],
    what: str,
    wait: bool = False,
) -> Any:
    """Log in, make one call, and return its answer; with ``wait`` it may take as long as it likes.

    ``what`` is asked for, in words.  Raises :class:`SendChangeFailed`.
    """
    factory: Any = pb.PBClientFactory()
    factory.noisy = False
    endpoint = endpoints.HostnameEndpoint(reactor, host, int(port), timeout=int(CONNECT_TIMEOUT))
    place = f"{host}:{port}"
    try:
        await endpoint.connect(factory)
    except Exception as e:
        raise SendChangeFailed(f"no connection to {place}: {_reason(e)}") from e
    try:
        login = factory.login(UsernamePassword(user.encode(), password.encode()))
        remote = await with_deadline(login, ANSWER_TIMEOUT, reactor, f"the login at {place}")
        if wait:
            return await call(remote)
        return await with_deadline(call(remote), ANSWER_TIMEOUT, reactor, f"the master at {place}")
    except SendChangeFailed:
        raise
    except Exception as e:
        raise SendChangeFailed(_explain(e, place, user, what)) from e
    finally:
        factory.disconnect()


def _call(remote: Any, change: dict[str, Any]) -> defer.Deferred[Any]:
    """Buildbot's masters want the texts as they are; None in place of the optional ones."""
    return remote.callRemote("addChange", {key: value for key, value in change.items() if _wanted(key, value)})


def _wanted(key: str, value: Any) -> bool:
    return not (key == "codebase" and value is None)


def check_size(change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, str | bytes) and len(value.encode() if isinstance(value, str) else value) > LIMIT:
            raise SendChangeFailed(f"{key} is longer than the {LIMIT // 1024} KiB that the protocol can carry")


def _explain(why: Exception, place: str, user: str, what: str) -> str:
    kind = str(getattr(why, "remoteType", b"") or type(why).__name__)
    if "UnauthorizedLogin" in kind:
        option = "--auth" if what == "the change" else "--username and --passwd"
        return f"{place} refused the login of {user!r}: unknown user or wrong password (see {option})"
    if isinstance(why, pb.PBConnectionLost | error.ConnectionDone | error.ConnectionLost | pb.DeadReferenceError):
        return f"{place} closed the connection before it had taken {what}"
    if isinstance(why, DeadlineExceeded):
        return str(why)
    return f"{place} refused {what}: {_reason(why)}"


def _reason(why: Exception) -> str:
    return str(why).strip() or type(why).__name__
