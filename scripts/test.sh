#!/bin/sh
# Installs what the tests need, then runs them; arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."

sh scripts/install.sh dev
M1_CHROMIUM=$(sh scripts/find_browser.sh)
export M1_CHROMIUM
exec .venv/bin/python -m pytest "$@"
