# Text 002, Python file somewhere on the system.
export PYTHONPATH=~/lib/python
