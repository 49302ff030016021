from django.contrib.auth.views import LoginView
from django.urls import path

from tests.joined.polls import views

app_name = "polls"
urlpatterns = [
    path("", views.index, name="index"),
    path("login/", LoginView.as_view(template_name="polls/login.html"), name="login"),
    path("<int:pk>/", views.detail, name="detail"),
    path("<int:pk>/vote/", views.vote, name="vote"),
    path("<int:pk>/ballot/", views.ballot, name="ballot"),
    path("<int:pk>/refuse/", views.refuse, name="refuse"),
    path("<int:pk>/fail/", views.fail, name="fail"),
    path("<int:pk>/later/", views.later, name="later"),
    path("<int:pk>/look/", views.look, name="look"),
    path("raw/", views.raw, name="raw"),
]
