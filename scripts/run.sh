#!/bin/sh
# From a fresh clone to the page: installs what is missing, downloads the embedded model if it is used, and serves.
set -eu
cd "$(dirname "$0")/.."

sh scripts/install.sh run

# A new environment is compiled to bytecode during the first start, on an idle core. If that is interrupted, the next
# start finishes it.
if [ -f .venv/m1-uncompiled ]; then
    { nice -n 19 .venv/bin/python -m compileall -qq .venv/lib || true; rm -f .venv/m1-uncompiled; } >/dev/null 2>&1 &
fi

if [ -z "${M1_ENGINE_URL:-}" ] && [ -z "${M1_MODEL:-}" ] && [ "${M1_ENGINE:-embedded}" = embedded ]; then
    home=${M1_HOME:-data}
    # The app expands it too.
    # shellcheck disable=SC2088
    case "$home" in "~/"*) home=$HOME/${home#"~/"} ;; esac
    # Later starts leave this to the app, which checks the file's hash and downloads it again if necessary.
    if [ ! -d "$home/models/smollm2-135m" ]; then
        status=0
        .venv/bin/python -m models.weights.download smollm2-135m --directory "$home/models" || status=$?
        [ "$status" -ne 130 ] || exit 130 # Ctrl+C
        [ "$status" -eq 0 ] || echo "run: the app cannot answer without the model; the page will try again." >&2
    fi
fi

exec .venv/bin/python app.py
