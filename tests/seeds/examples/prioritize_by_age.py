# Text 002, Builder Priority Functions: an answer that comes later, and leaves builders out.
@defer.inlineCallbacks
def prioritizeBuilders(buildmaster, builders):
    idle = [b for b in builders if not b.building]
    ages = {}
    for b in idle:
        ages[b] = yield b.getOldestRequestTime()
    return sorted(idle, key=ages.get)


c["prioritizeBuilders"] = prioritizeBuilders
