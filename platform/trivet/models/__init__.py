"""The declarative base and the column types that both ORMs store alike."""

from trivet.models.base import Model
from trivet.models.types import BigKey
from trivet.models.versioned import Versioned

__all__ = ["BigKey", "Model", "Versioned"]
