"""A Django application of somebody who has never heard of Trivet."""
