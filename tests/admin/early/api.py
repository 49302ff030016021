from fastapi import APIRouter

from tests.admin.early.apps import render

render("api")

router = APIRouter()
