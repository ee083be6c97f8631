# Text 002, Python file somewhere on the system.
PYTHONPATH=~/lib/python buildbot start MASTERDIR
