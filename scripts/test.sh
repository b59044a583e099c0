#!/bin/sh
# Installs what the tests need, then runs those of the page code, and pytest's in two processes; arguments go to pytest
# (-n 0: in this one).
set -eu
cd "$(dirname "$0")/.."

sh scripts/install.sh dev
M1_CHROMIUM=$(sh scripts/find_browser.sh)
export M1_CHROMIUM
.venv/bin/node --test --test-reporter=dot "tests/**/*.test.js"
exec sh scripts/pytest.sh -n 2 "$@"
