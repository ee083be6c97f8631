"""Documented address: build factories, the general one and those for common kinds of projects."""

from buildmaster.process.build_factory import BuildFactory, ConfigurableBuildFactory
from buildmaster.steps.factories import (
    CPAN,
    BasicBuildFactory,
    BasicSVN,
    Distutils,
    GNUAutoconf,
    QuickBuildFactory,
    Trial,
    s,
)

__all__ = [
    "CPAN",
    "BasicBuildFactory",
    "BasicSVN",
    "BuildFactory",
    "ConfigurableBuildFactory",
    "Distutils",
    "GNUAutoconf",
    "QuickBuildFactory",
    "Trial",
    "s",
]
