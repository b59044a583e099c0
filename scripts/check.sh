#!/bin/sh
# Runs all checks that do not need the app. All of them run; the last line names the failed ones.
set -eu
cd "$(dirname "$0")/.."

sh scripts/install.sh dev
sh scripts/install_page_tools.sh
bin=.venv/bin
failed=""

check() {
    name=$1
    shift
    echo "== $name"
    "$@" || failed="$failed $name,"
}

sources="app.py m1app models storage benchmarks scripts tests"
# shellcheck disable=SC2086 # A list of words.
check format $bin/python -m ruff format --check $sources
# shellcheck disable=SC2086
check lint $bin/python -m ruff check $sources
check types $bin/python -m mypy
check imports $bin/python -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_logo=True))'
check page-style $bin/node node_modules/@biomejs/biome/bin/biome ci --error-on-warnings
check page-types $bin/node node_modules/typescript/bin/tsc -p .
check page-tests $bin/node --test "tests/**/*.test.js"
check shell $bin/shellcheck scripts/*.sh .ci/run
check dockerfile $bin/hadolint Dockerfile deploy/router.Dockerfile
check compose $bin/python scripts/check_compose.py compose.yaml deploy/compose.replicas.yaml
check kubernetes $bin/python scripts/check_kubernetes.py deploy/kubernetes/*.yaml
if docker compose version >/dev/null 2>&1; then
    check compose-config docker compose --profile '*' config --quiet
fi

if [ -n "$failed" ]; then
    echo "check: failed:${failed%,}" >&2
    exit 1
fi
echo "check: all good"
