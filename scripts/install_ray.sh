#!/bin/sh
# Adds Ray to .venv, for jobs on a Ray cluster (M1_RAY_ADDRESS) and for their tests. Packages that are also in the app's
# lock have the same versions. An installed lock is skipped: .venv has a copy of it.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh
lock=requirements/ray.txt

[ -x .venv/bin/python ] || {
    echo "install_ray: there is no .venv; run make install first." >&2
    exit 1
}
cmp -s "$lock" .venv/m1-ray-lock && exit 0
rm -f .venv/m1-ray-lock # An interrupted installation must not pass for a finished one.
echo "install_ray: installing $lock"
add_installer .venv
install_packages .venv --require-hashes -r "$lock" || {
    echo "install_ray: $lock could not be installed; see above. Nothing needs cleaning up: run it again." >&2
    exit 1
}
cp "$lock" .venv/m1-ray-lock
