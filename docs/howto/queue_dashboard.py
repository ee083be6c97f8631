# ruff: noqa: F821, I001 -- a piece of master.cfg
from bottle import Bottle, request

from buildbot.data.resultspec import Filter

queue = Bottle()


@queue.route("/index.html")
def index():
    waiting = queue.buildbot_api.dataGet(
        "buildrequests",
        filters=[Filter("complete", "eq", [False]), Filter("claimed", "eq", [False])],
        fields=["buildrequestid", "complete", "claimed"],
        order=["buildrequestid"],
    )
    who = request.environ.get("REMOTE_USER", "stranger")
    return f'<p>{len(waiting)} requests wait, {who}. <a href="wsgi_dashboards/queue/first.json">The first</a></p>'


@queue.route("/first.json")
def first():
    return {"first": [r.buildrequestid for r in queue.buildbot_api.dataGet(("buildrequests",), limit=1)]}


c["www"]["plugins"]["wsgi_dashboards"].append({"name": "queue", "caption": "Queue length", "app": queue, "order": 2})
