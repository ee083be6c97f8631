"""How buildmaster is packaged.

The plugins come from ``buildmaster/plugin_table.py`` and the version from ``buildmaster/__init__.py``; both
are read as files, so that building a package needs none of its dependencies.
"""

import re
import runpy
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


class BuildWithImportName(build_py):
    """Puts the file that lends us the import name ``buildbot`` beside the package, where Python reads it at its start.

    An editable installation takes it, too: there ``build_lib`` is thrown away, and what is to be installed is collected
    in the install command's directory.
    """

    name = "buildmaster-import-name.pth"

    def run(self) -> None:
        """Build as always, and copy the file."""
        super().run()
        place = self.distribution.get_command_obj("install").install_lib if self.editable_mode else self.build_lib
        self.mkpath(place)
        self.copy_file(str(HERE / "buildmaster" / "compat" / self.name), str(Path(place) / self.name))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What is built, with the file."""
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib) / self.name)]


def version() -> str:
    """The value of ``__version__`` in ``buildmaster/__init__.py``."""
    text = (HERE / "buildmaster" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('buildmaster/__init__.py: no line __version__ = "..."')
    return match.group(1)


def readme() -> str:
    """The text of the README, empty in a tree that has none."""
    path = HERE / "README.rst"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def entry_points() -> dict[str, list[str]]:
    """The console script and the built-in plugins, by group."""
    table = runpy.run_path(str(HERE / "buildmaster" / "plugin_table.py"))
    return {"console_scripts": ["buildmaster = buildmaster.cli.main:main"], **table["entry_points"]()}


INSTALL_REQUIRES = [
    "alembic >= 1.13",
    "attrs >= 23.1",
    "autobahn >= 23.6.2",
    "Automat >= 24.8.1",
    "buildbot-worker >= 4.0",
    "click >= 8.1",
    "croniter >= 2.0",
    "Jinja2 >= 3.1",
    "markdown-it-py >= 3.0",
    "msgpack >= 1.0.8",
    "msgspec >= 0.19",
    "prometheus-client >= 0.19",
    "python-dateutil >= 2.8.2",
    "PyYAML >= 6.0.1",
    "rich >= 13.0",
    "SQLAlchemy >= 2.0.25",
    "treq >= 23.11",
    "Twisted[tls] >= 24.7",
    "zope.interface >= 6.0",
    "zstandard >= 0.22",
]

EXTRAS_REQUIRE = {
    "auth": ["ldap3 >= 2.9", "requests >= 2.31"],
    "badges": ["CairoSVG >= 2.7"],
    "docker": ["docker >= 7.0"],
    "ec2": ["boto3 >= 1.34"],
    "libvirt": ["libvirt-python >= 9.0"],
    "openstack": ["openstacksdk >= 3.0"],
    "postgres": ["psycopg[binary] >= 3.1.18"],
    "logs": ["Brotli >= 1.1", "lz4 >= 4.3"],
    "manhole": ["Twisted[conch] >= 24.7"],
    "mysql": ["PyMySQL >= 1.1", "cryptography >= 41"],
    "test": [
        "buildbot >= 4.3",
        "boto3 >= 1.34",
        "bottle >= 0.13",
        "Brotli >= 1.1",
        "buildbot-worker >= 4.3",
        "CairoSVG >= 2.7",
        "docker >= 7.0",
        "Flask >= 3.0",
        "flask-cors >= 4.0",
        "hypothesis >= 6.90",
        "ldap3 >= 2.9",
        "lz4 >= 4.3",
        "moto >= 5.0",
        "mypy >= 1.10",
        "openstacksdk >= 3.0",
        "playwright >= 1.40",
        "pytest >= 8.0",
        "pytest-timeout >= 2.2",
        "pytest-xdist >= 3.5",
        "requests >= 2.31",
        "ruff >= 0.6",
        "setuptools >= 70.1",
        "Twisted[conch] >= 24.7",
        "types-PyYAML",
        "types-python-dateutil",
    ],
    "docs": ["furo >= 2024.1.29", "Sphinx >= 7.2", "towncrier >= 23.11"],
}

setup(
    name="buildmaster-ci",
    version=version(),
    description="A continuous-integration master that speaks Buildbot's configuration language and protocols",
    long_description=readme(),
    long_description_content_type="text/x-rst",
    license="MIT",
    license_files=["LICENSE"],
    cmdclass={"build_py": BuildWithImportName},
    packages=find_namespace_packages(include=["buildmaster", "buildmaster.*"], exclude=["*.__pycache__*"]),
    include_package_data=True,
    package_data={
        "": ["*.html", "*.txt", "*.css", "*.js", "*.mjs", "*.svg", "*.png", "*.mako", "*.ini", "*.j2", "*.cfg", "*.pth"]
    },
    python_requires=">=3.11",
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points=entry_points(),
    zip_safe=False,
    classifiers=[
        "Development Status :: 4 - Beta",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Software Development :: Build Tools",
        "Topic :: Software Development :: Testing",
    ],
)
