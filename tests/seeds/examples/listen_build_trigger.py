# Text 004, Hooking a new TCP-listening service into the BuildMaster.
class BuildTrigger:
     Object that sits around waiting for an incoming TCP connection to
     wake it up, at which point it checks if builders/slaves are idle,
     checks if any builds are waiting in the build queue, and
     (possibly) starts a new build pair.
     def __init__(self, port):
         self.port = port

     def start(self):
         factory = protocol.Factory()
         factory.protocol = lambda: TriggerProtocol(self)
         reactor.listenTCP(self.port, factory)

     # called by TriggerProtocol.connectionMade()
     def triggerBuild(self):
         # 1) dig up the BuildMaster and check if a builder is idle
         # 2) connect to the build database and query the build queue
         # 3) if appropriate, start a build

class TriggerProtocol(protocol.Protocol):
     def __init__(self, trigger):
         assert isinstance(trigger, BuildTrigger)
         self.trigger = trigger

     def connectionMade(self):

     def connectionLost(self, reason):
