from tests.admin.early.apps import render
from tests.admin.early.models import Bird
from trivet_admin import ModelAdmin, register

render("admin")


@register(Bird)
class BirdAdmin(ModelAdmin): ...
