"""Errors of a study's report.

AppError
├── ManifestRefused  a file is not a manifest that this version can read
├── PrintingFailed   no browser prints the report, or not to the end
└── ReportRefused    the report cannot be written where it was asked for
"""

from m1app.errors import AppError


class ManifestRefused(AppError):
    """A file is not a manifest that this version can read."""


class PrintingFailed(AppError):
    """No browser prints the report, or not to the end."""


class ReportRefused(AppError):
    """The report cannot be written where it was asked for."""
