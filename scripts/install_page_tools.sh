#!/bin/sh
# Installs the tools that check page code into node_modules, with the Node that `install.sh dev` installs into .venv.
# An installed lock is skipped: node_modules has a copy of it.
set -eu
cd "$(dirname "$0")/.."

lock=package-lock.json
stamp=node_modules/m1-$lock
if cmp -s "$lock" "$stamp"; then
    exit 0
fi
echo "install: installing $lock"
rm -f "$stamp" # An interrupted installation must not pass for a finished one.
.venv/bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
    echo "install: npm could not install $lock; see above. Nothing needs cleaning up: run it again." >&2
    exit 1
}
cp "$lock" "$stamp"
