# How the worker of a build is chosen.
def fast_first(builder, workers, request):
    """A worker with the fewest builds; none for a release, unless it is one of the fast."""
    if request.source.branch == "release":
        workers = [w for w in workers if w.worker.properties.getProperty("fast", False)]
    return min(workers, key=lambda w: len(w.worker.building), default=None)


c["select_next_worker"] = fast_first
