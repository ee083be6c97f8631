# ruff: noqa: F821, I001 -- a piece of master.cfg
import os

from flask import Flask, render_template

from buildbot.process.results import statusToString

mydashboardapp = Flask("mydashboard", root_path=os.path.dirname(__file__))
mydashboardapp.config["TEMPLATES_AUTO_RELOAD"] = True  # a changed template is seen at once


@mydashboardapp.route("/index.html")
def main():
    api = mydashboardapp.buildbot_api
    builders = {builder["builderid"]: builder["name"] for builder in api.dataGet("/builders")}
    builds = api.dataGet("/builds", order=["-buildid"], limit=20)
    for build in builds:
        build["builder"] = builders[build["builderid"]]
        build["properties"] = api.dataGet(("builds", build["buildid"], "properties"))
        build["results_text"] = statusToString(build["results"]) if build["complete"] else "running"
    return render_template("mydashboard.html", builds=builds)


c["www"]["plugins"]["wsgi_dashboards"] = [
    {
        "name": "mydashboard",  # as used in URLs
        "caption": "My Dashboard",  # as shown in the navigation
        "app": mydashboardapp,
        "order": 5,  # its place there: lower is further left
        "icon": "area-chart",  # for Buildbot's own front end
    }
]
