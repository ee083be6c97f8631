"""The import name ``buildbot``, and spellings that Buildbot has retired or never meant to have.

Configurations, plugins and pickles written for Buildbot say ``import buildbot…``.  In every process that imports
``buildmaster`` these names mean the modules of this package: the same module objects, so that a class is one class
whichever way it was reached.  A Buildbot installed beside is not touched and, in such a process, not reached;
``buildbot_worker`` is another package and stays what it is.

:mod:`buildmaster.compat.hook` does it, :mod:`buildmaster.compat.names` is the one table of retired spellings.
Importing :mod:`buildmaster` is enough; there is nothing to call.  Where no Buildbot is installed, ``import buildbot``
does it, too: ``buildmaster-import-name.pth``, installed beside the package, has Python come here rather than fail.
"""
