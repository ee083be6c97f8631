"""Parent of ``buildbot.status.web.hooks.github``, which Buildbot had until 0.9; it holds nothing itself."""
