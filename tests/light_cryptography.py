"""Two things that take processor time in every test and that few tests are about, made cheap.

Each HTTP client reads the system's certificates, which takes longer than most requests; a password's hash is slow on
purpose. `make_light` is for the tests' own processes and for those that `tests/warm_python.py` forks.
"""

from functools import cache, partial

import argon2
import httpcore2

from m1app.access import passwords


def make_light() -> None:
    """From now on, in this process and those forked from it, read certificates once and hash passwords quickly."""
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
    light = partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    vars(passwords).update(PasswordHasher=light)
