"""Properties, and values that are only known when a build runs.

The documented ``process.properties``: :class:`Properties` (named values with their sources), and the renderables
that stand for a value in the configuration and are replaced by it when a build is about to use it.
"""

from buildmaster.base.interfaces import IProperties, IRenderable
from buildmaster.properties.interpolate import Interpolate, WithProperties
from buildmaster.properties.masking import MaskedText, Secrets, mask_secrets
from buildmaster.properties.operators import RenderableOperatorsMixin
from buildmaster.properties.renderables import FlattenList, Property, Secret, Transform, URLForBuild, renderer
from buildmaster.properties.rendering import is_plain, render, rendering_of
from buildmaster.properties.values import Properties, PropertiesMixin

__all__ = [
    "FlattenList",
    "IProperties",
    "IRenderable",
    "Interpolate",
    "MaskedText",
    "Properties",
    "PropertiesMixin",
    "Property",
    "RenderableOperatorsMixin",
    "Secret",
    "Secrets",
    "Transform",
    "URLForBuild",
    "WithProperties",
    "is_plain",
    "mask_secrets",
    "render",
    "renderer",
    "rendering_of",
]
