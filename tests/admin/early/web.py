from starlette.routing import BaseRoute

from tests.admin.early.apps import render

render("web")

routes: list[BaseRoute] = []
