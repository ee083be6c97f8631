# Text 002, BRANCHNAME/PROJECT/FILEPATH repositories.
from buildbot.plugins import changes
c['change_source'] = changes.SVNPoller("http://divmod.org/svn/Divmod/trunk/Nevow")
