"""The error boundary: user-facing errors are shown, others get a reference id and a log entry."""

import logging
import secrets

from m1app.errors import FOR_PEOPLE

_log = logging.getLogger(__name__)


def message_of(error: Exception) -> str:
    """Return the user-facing message for `error`; unexpected ones are logged under the id in the message."""
    if isinstance(error, FOR_PEOPLE):
        return str(error)
    reference = secrets.token_hex(4)
    _log.error("unexpected error, reference %s", reference, exc_info=error)
    return f"An unexpected error occurred. Your input is kept. Look for {reference} in the app's log for details."
