# shellcheck shell=sh
# Sourced by scripts that make virtual environments. Each gets uv, which installs, and pip, in the
# versions and with the hashes in requirements/installer.txt.

# make_environment PYTHON FOLDER
make_environment() {
    # The interpreter's own pip, if any, installs uv in half the time that venv takes to unpack another pip.
    "$1" -m venv --without-pip --clear "$2" || return
    if "$1" -m pip --python "$2/bin/python" install --quiet --disable-pip-version-check --no-warn-script-location \
        --only-binary :all: --require-hashes -r requirements/installer.txt >/dev/null 2>&1; then
        cp requirements/installer.txt "$2/m1-installer.txt"
    else
        "$1" -m venv --clear "$2" && add_installer "$2"
    fi
}

# add_installer FOLDER: installs uv in the required version; without it, pip is used.
add_installer() {
    cmp -s requirements/installer.txt "$1/m1-installer.txt" && return
    if "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
        --only-binary :all: --require-hashes -r requirements/installer.txt >/dev/null 2>&1; then
        cp requirements/installer.txt "$1/m1-installer.txt"
    else
        echo "uv could not be installed; using pip instead, which takes minutes longer."
    fi
}

# install_packages FOLDER ARGUMENTS OF PIP INSTALL...
install_packages() {
    environment_python=$1/bin/python
    shift
    "$environment_python" scripts/install_packages.py "$@"
}
