# Text 002, Collapse Request Functions: the branch-based example as a coroutine.
async def collapseRequests(master, builder, req1, req2):
    first = await master.data.get(("buildsets", req1["buildsetid"]))
    second = await master.data.get(("buildsets", req2["buildsetid"]))
    branches = [[stamp["branch"] for stamp in one["sourcestamps"]] for one in (first, second)]
    return builder["name"] != "release" and branches[0] == branches[1]


c["collapseRequests"] = collapseRequests
