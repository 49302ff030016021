"""The declarative base and the column types that both ORMs store alike."""

from trivet.models.base import NAMING_CONVENTION, Model
from trivet.models.versioned import Versioned

__all__ = ["NAMING_CONVENTION", "Model", "Versioned"]
