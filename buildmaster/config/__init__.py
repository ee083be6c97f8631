"""A configuration file becomes a generation: loaded in a thread, complete, and checked whole.

``loader``      executes the file, in a namespace and with local modules of its own
``master``      :class:`MasterConfig`, the generation: every documented setting as an attribute
``settings``    the simple keys in one table: default, rule, mend
``lists``       the keys that hold objects: builders, workers, schedulers, …
``references``  what one object says of another: names, locks, projects
``builder``     :class:`BuilderConfig`
``places``      file and line of what is wrong

Configurations and plugins use the names below; code of this package imports from the modules.
"""

from buildmaster.base.errors import ConfigErrors, capture_config_errors, error
from buildmaster.config.builder import BuilderConfig
from buildmaster.config.loader import FileLoader, loadConfigDict
from buildmaster.config.master import MasterConfig

__all__ = [
    "BuilderConfig",
    "ConfigErrors",
    "FileLoader",
    "MasterConfig",
    "capture_config_errors",
    "error",
    "loadConfigDict",
]
