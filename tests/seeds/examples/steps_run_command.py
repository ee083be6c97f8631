# Text 002, Running Commands.
cmd = RemoteCommand(args)
d = self.runCommand(cmd)
