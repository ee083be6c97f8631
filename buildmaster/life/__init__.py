"""What a master does besides holding its parts together: its beat, its reconfigurations, its signals.

``heartbeat``  tells the other masters that this one lives, and expires those that do not
``reconfig``   reads the configuration again and switches to it, one run at a time, with its outcome
``signals``    what SIGHUP and SIGUSR1 do
``words``      what is told to the user of a start, a failure or a change of configuration
"""
