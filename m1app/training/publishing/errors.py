"""Errors of handing fine-tuned models on.

PublishingError
├── TunedModelNotFound     no model of that name was fine-tuned here
├── QuantizingFailed       a file could not be quantized
└── PushRefused            the hub takes nothing, or not like this; nothing, or not all, was uploaded

Every message says what was found and what to do about it.
"""

from m1app.training.errors import TrainingError


class PublishingError(TrainingError):
    """Base of every error of this package; its text may be shown to users."""


class TunedModelNotFound(PublishingError):
    """No model of that name was fine-tuned here; the message lists those that were."""


class QuantizingFailed(PublishingError):
    """A file could not be quantized; the message says why."""


class PushRefused(PublishingError):
    """The hub takes nothing, or not like this; the message says why."""
