"""Where errors become messages: what people may read is shown, anything else gets a reference id and a log entry."""

import logging
import secrets

from m1app.errors import FOR_PEOPLE

_log = logging.getLogger(__name__)


def message_of(error: Exception) -> str:
    """The message that a person sees for `error`; an unexpected one is logged under the id that the message names."""
    if isinstance(error, FOR_PEOPLE):
        return str(error)
    reference = secrets.token_hex(4)
    _log.error("unexpected error, reference %s", reference, exc_info=error)
    return f"An unexpected error occurred; the app's log has the details under {reference}. Your input is kept."
