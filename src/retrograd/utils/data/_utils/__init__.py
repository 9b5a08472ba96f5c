"""What the DataLoader is made of: batches of examples, and the worker processes that fetch them."""

from . import collate, worker  # noqa: F401
