"""Django's generic classes: their type parameters exist for type checkers alone, and
subscribing to them at run time is an error."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models

if TYPE_CHECKING:
    AnyField = models.Field[Any, Any]
    CharField = models.CharField[Any, Any]
    JSONField = models.JSONField[Any, Any]
    ForeignKey = models.ForeignKey[Any, Any]
    OneToOneField = models.OneToOneField[Any, Any]
    ManyToManyField = models.ManyToManyField[Any, Any]
    ModelForm = forms.ModelForm[Any]
    ModelFormSet = forms.BaseModelFormSet[Any, Any]
else:
    AnyField = models.Field
    CharField = models.CharField
    JSONField = models.JSONField
    ForeignKey = models.ForeignKey
    OneToOneField = models.OneToOneField
    ManyToManyField = models.ManyToManyField
    ModelForm = forms.ModelForm
    ModelFormSet = forms.BaseModelFormSet

__all__ = [
    "AnyField",
    "CharField",
    "ForeignKey",
    "JSONField",
    "ManyToManyField",
    "ModelForm",
    "ModelFormSet",
    "OneToOneField",
]
