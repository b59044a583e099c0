"""Fixtures of the tests of backups."""

from tests.m1app.backup.homes import full_home as full_home
from tests.m1app.backup.homes import settings as settings
from tests.storage.conftest import empty_postgres_url as empty_postgres_url
from tests.storage.conftest import postgres_databases as postgres_databases
from tests.storage.conftest import postgres_socket as postgres_socket
from tests.storage.conftest import postgres_template as postgres_template
from tests.storage.conftest import postgres_url as postgres_url
