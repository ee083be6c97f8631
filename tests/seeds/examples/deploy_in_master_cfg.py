# Text 002, Inclusion in the master.cfg file.
f = BuildFactory()
f.addStep(SVN(repourl="stuff"))
f.addStep(Framboozle())
