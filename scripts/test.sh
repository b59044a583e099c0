#!/bin/sh
# Installs what the tests need, then runs the page code's tests, and pytest in three processes, because on two cores a
# third works while the others wait for a page; arguments are passed to pytest (-n 0: one process).
set -eu
cd "$(dirname "$0")/.."

sh scripts/install.sh dev
sh scripts/install_page_tools.sh
sh scripts/install_vocabularies.sh
M1_CHROMIUM=$(sh scripts/find_browser.sh)
export M1_CHROMIUM
.venv/bin/node --test --test-reporter=dot "tests/**/*.test.js"
exec sh scripts/pytest.sh -n 3 "$@"
