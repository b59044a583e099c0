"""The app: pages, use cases, benchmarks, jobs."""

__version__ = "0.1.0"
