# Text 002, PROJECT/BRANCHNAME/FILEPATH repositories.
from buildbot.plugins import changes
c['change_source'] = changes.SVNPoller(
   repourl="https://svn.amanda.sourceforge.net/svnroot/amanda/amanda/trunk")
