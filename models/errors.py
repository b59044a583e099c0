"""What can go wrong between a prompt and its tokens.

ModelsError
├── EngineError                  a request to a running engine failed
│   ├── EngineUnreachable        nothing answers at the address
│   ├── EngineRejectedKey        the API key is missing or wrong
│   ├── ModelNotServed           the engine serves other models
│   ├── ContextOverflow          prompt and requested tokens exceed the context length
│   ├── RateLimited              the engine rate-limits requests
│   ├── EngineDropped            the stream broke before it was finished
│   ├── EngineFailed             the engine reported an internal error
│   └── BadEngineResponse        the answer is not what a completions server sends
├── ServerError                  an engine process that this app runs
│   ├── ServerNotInstalled       its program is missing
│   ├── ServerRefused            its options are wrong, or it cannot fit this machine
│   ├── ServerStartFailed        it exited or timed out before it was ready
│   └── ServerGone               it exited while it was serving
├── CatalogError                 catalog.toml or a profile file contains an error
│   ├── UnknownModel             no entry with that id
│   └── UnknownProfile           no profile with that id
└── DownloadError                the weights could not be downloaded
    ├── SourceUnreachable        no connection, or the connection kept breaking
    ├── SourceRefused            not found, or a licence must be accepted
    ├── HashMismatch             the bytes do not match the catalog
    └── NoDiskSpace              the file does not fit

Every message says what is wrong and what to do about it; upstream errors are chained (`raise ... from exc`).
"""


class ModelsError(Exception):
    """Base of every error of this package; its text may be shown to users."""


class EngineError(ModelsError):
    """A request to a running engine failed."""

    is_retryable = False
    """True when the same request may be sent again without harm."""

    refused_tokens: int = 0
    """Tokens that the engine had generated in what was refused: no chunk has them, and they count all the same."""


class EngineUnreachable(EngineError):
    """Nothing answers at the engine's address."""

    is_retryable = True


class EngineRejectedKey(EngineError):
    """The engine rejected the API key."""


class ModelNotServed(EngineError):
    """The engine does not serve the requested model."""


class ContextOverflow(EngineError):
    """Prompt and requested tokens exceed the engine's context length."""


class RateLimited(EngineError):
    """The engine rate-limits requests."""

    is_retryable = True

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EngineDropped(EngineError):
    """The stream broke before the engine said it was finished."""


class EngineFailed(EngineError):
    """The engine reported an internal error."""


class BadEngineResponse(EngineError):
    """The answer is not what an OpenAI-compatible completions server sends."""


class ServerError(ModelsError):
    """An engine process that this app runs failed."""


class ServerNotInstalled(ServerError):
    """The program to start is missing."""


class ServerRefused(ServerError):
    """The options are wrong, or what they ask for cannot fit this machine; nothing was started."""


class ServerStartFailed(ServerError):
    """The process exited or timed out before it was ready."""


class ServerGone(ServerError):
    """The process exited while it was serving."""


class CatalogError(ModelsError):
    """catalog.toml or a profile file contains an error; the message names file, entry and field."""


class UnknownModel(CatalogError):
    """No catalog entry has that id."""


class UnknownProfile(CatalogError):
    """No profile has that id."""


class DownloadError(ModelsError):
    """The weights could not be downloaded."""


class SourceUnreachable(DownloadError):
    """No connection to the source, or the connection kept breaking."""


class SourceRefused(DownloadError):
    """The source does not have the file, or refuses access to it."""


class HashMismatch(DownloadError):
    """The bytes received do not match the catalog."""


class NoDiskSpace(DownloadError):
    """The file does not fit on the disk."""
