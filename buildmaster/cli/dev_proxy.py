"""``buildmaster dev-proxy``: see another master's site with the files and web plugins of this installation."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import click

from buildmaster.cli.main import Failed

COMMON_SITE = "https://buildbot.buildbot.net"


@click.command("dev-proxy")
@click.option("-b", "--buildbot_url", default=COMMON_SITE, show_default=True, help="The other master's site.")
@click.option(
    "-p", "--port", default="8011", show_default=True, help="Where to listen on this machine; or an endpoint, tcp:8011."
)
@click.option("--plugins", help="Web plugins and their options, as JSON: '{\"my_view\": {}}'.")
@click.option("--auth_cookie", help="The TWISTED_SESSION cookie of somebody who has logged in there.")
@click.option("--unsafe_ssl", is_flag=True, help="Believe any certificate.")
def command(buildbot_url: str, port: str, plugins: str | None, auth_cookie: str | None, unsafe_ssl: bool) -> None:
    """Serve another master's site here, with the scripts, styles and web plugins of this installation.

    For those who develop them: they are seen with the other master's data.  Only this machine is answered.
    """
    if urlsplit(buildbot_url).scheme not in ("http", "https") or not urlsplit(buildbot_url).hostname:
        raise Failed(f"--buildbot_url {buildbot_url!r}: an address such as https://ci.example.org/ is needed")
    endpoint = f"tcp:{port}:interface=127.0.0.1" if port.isdigit() else port
    sys.exit(_serve(buildbot_url, endpoint, _options(plugins), auth_cookie, not unsafe_ssl))


def _options(plugins: str | None) -> dict[str, Any]:
    try:
        found = json.loads(plugins or "{}")
    except ValueError as error:
        raise Failed(f"--plugins is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Failed("--plugins: a JSON object is needed, from names of plugins to their options")
    return found


def _serve(remote_url: str, endpoint: str, options: dict[str, Any], cookie: str | None, verify: bool) -> int:
    from twisted.internet import endpoints
    from twisted.internet import reactor as global_reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from buildmaster.www.dev_proxy import Front, Remote, Site
    from buildmaster.www.plugin import load_plugins

    reactor: Any = global_reactor
    observer: Any = textFileLogObserver(sys.stdout)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    plugins = load_plugins(options)
    for name, plugin in plugins.items():
        plugin.setConfiguration(options[name])
    problems: list[str] = []

    def listening(port: Any) -> None:
        click.echo(f"http://localhost:{port.getHost().port}/ shows {remote_url}; Ctrl-C ends it")

    def failed(failure: Any) -> None:
        problems.append(f"{endpoint}: {failure.getErrorMessage()}")
        reactor.stop()

    front = Front(Remote(remote_url, reactor, verify, cookie), plugins, options)
    try:
        server = endpoints.serverFromString(reactor, endpoint)
    except ValueError as error:
        raise Failed(f"--port {endpoint!r}: {error}") from None
    reactor.callWhenRunning(lambda: server.listen(Site(front)).addCallbacks(listening, failed))
    reactor.run()
    for problem in problems:
        click.echo(problem, err=True)
    return 1 if problems else 0
