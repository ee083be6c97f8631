"""``buildbot.getVersion``: with it packages of plugins find out their own version."""

from __future__ import annotations

import os
from importlib.metadata import packages_distributions, version


def getVersion(init_file: str) -> str:
    """The version of the package whose ``__init__`` file this is: ``__version__ = getVersion(__file__)``.

    It is what a file ``VERSION`` next to it says, or else that of the installed distribution; ``latest`` where there
    is neither.
    """
    folder = os.path.dirname(os.path.abspath(init_file))
    try:
        with open(os.path.join(folder, "VERSION"), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        pass
    package = os.path.basename(folder)
    distributions = packages_distributions().get(package, [])
    # several may put modules into a package; the one that is called like it comes first
    distributions.sort(key=lambda name: name.lower().replace("-", "_") != package.lower())
    return version(distributions[0]) if distributions else "latest"
