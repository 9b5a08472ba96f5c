"""`python -m retrograd finetune` and `predict`: from a folder of images to a classifier, and its answers.

The parts: `options` (the command line), `data` (folders, splits, augmentation), `model` (the network and
what of it learns), `state` (what is saved, and how a run goes on after a kill), `train` (the loop), `report`
(tables and curves), `predict`.
"""


class UsageError(Exception):
    """What was asked for can't be done; the message says what was given and what to do instead."""
