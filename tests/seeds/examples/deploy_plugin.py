# Text 002, Distribute a Buildbot Plug-In.
from buildbot.plugins import steps

... steps.Framboozle ...
