# Text 002, Writing BuildStep Constructors.
f.addStep(MyStep(someopt="stuff", anotheropt=1))
