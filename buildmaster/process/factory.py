"""Documented address: build factories, the general one and those for common kinds of projects."""

from buildmaster.process.build_factory import BuildFactory, ConfigurableBuildFactory
from buildmaster.steps.factories import CPAN, Distutils, GNUAutoconf, s

__all__ = ["CPAN", "BuildFactory", "ConfigurableBuildFactory", "Distutils", "GNUAutoconf", "s"]
