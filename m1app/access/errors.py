"""Refusals of this room."""

from m1app.errors import AppError


class AccessRefused(AppError):
    """The person may not do this; the message says who may."""


class NotLoggedIn(AccessRefused):
    """Nobody is logged in."""


class LoginRefused(AppError):
    """The name or password is wrong, or it is too early for another attempt."""

    def __init__(self, message: str, wait_seconds: int = 0) -> None:
        """Args:
        message: message for the user.
        wait_seconds: how long to wait before the next attempt; 0 for not at all.
        """
        super().__init__(message)
        self.wait_seconds = wait_seconds


class QuotaReached(AppError):
    """The person has as many of something as one person may have at once."""


class AccountRefused(AppError):
    """An account cannot be made or changed like this."""


class ProviderFailed(LoginRefused):
    """The OpenID Connect provider cannot be reached, or its answer cannot be used."""
