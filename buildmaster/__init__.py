"""A continuous-integration master that speaks Buildbot's configuration language and protocols.

Importing any part of this package also makes the name ``buildbot`` mean this package in the running process
(:mod:`buildmaster.compat`), so that configurations and plugins written for Buildbot are served by it.
"""

from buildmaster.compat import hook as _hook

__version__ = "0.1.0"
version = __version__

_hook.install()
