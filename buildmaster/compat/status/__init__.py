"""Parent of ``buildbot.status.results`` and its like, which Buildbot had until 0.9; it holds nothing itself."""
