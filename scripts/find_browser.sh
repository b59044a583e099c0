#!/bin/sh
# Prints the path of a Chromium or Chrome for the browser tests. If there is none, installs Debian's with apt-get if it
# can: as root, or with passwordless sudo. Otherwise prints the command to run, and fails. The headless shell comes
# first: it opens pages with less CPU time than a full browser.
set -eu

find_browser() {
    for name in ${M1_CHROMIUM:+"$M1_CHROMIUM"} chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" \
        "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
        if command -v "$name"; then return; fi
    done
    return 1
}

fail() {
    echo "The tests drive a real browser, and none was found. Install Chromium and run this again:" >&2
    echo "    ${1}" >&2
    echo "A browser in another place: M1_CHROMIUM=/path/to/chrome make test" >&2
    exit 1
}

if [ -n "${M1_CHROMIUM:-}" ] && ! command -v "$M1_CHROMIUM" >/dev/null; then
    echo "M1_CHROMIUM is $M1_CHROMIUM, which is not an executable program." >&2
    exit 1
fi
if find_browser; then exit 0; fi

by_hand="sudo apt-get install chromium fonts-liberation"
command -v apt-get >/dev/null || fail "install chromium or Google Chrome with your system's package manager"
if [ "$(id -u)" -eq 0 ]; then
    sudo=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    fail "$by_hand"
fi

install_package() {
    # shellcheck disable=SC2086 # Two words, or none.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" fonts-liberation >&2
}

echo "test: no browser found, installing Debian's" >&2
# shellcheck disable=SC2086
$sudo apt-get update -qq >&2 || fail "sudo apt-get update"
install_package chromium-headless-shell || install_package chromium || fail "$by_hand"
find_browser || fail "$by_hand"
