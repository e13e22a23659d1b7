#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs milterguard into a virtual environment: the steps of docker/Dockerfile, and of docs/install.md.
#
#   docker/install.sh [--dry-run] packages build    Debian packages that pymilter is compiled with
#   docker/install.sh [--dry-run] packages run      Debian packages that milterguard runs with
#   docker/install.sh [--dry-run] venv FOLDER [PIP ARGUMENT...]
#                                                   milterguard in FOLDER; with arguments: those instead of
#                                                   this source tree
#   docker/install.sh [--dry-run] files ROOT        unit, account, folders and sample settings below ROOT (/ for
#                                                   this machine); a configuration that is there stays
#
# PYTHON=python3.12 takes that Python. Versions are pinned by tests/requirements.lock where it exists.
# Every step may be repeated. --dry-run prints the commands and runs none.
set -euo pipefail

readonly SOURCE=$(cd "$(dirname "$0")/.." && pwd)
readonly LOCK=$SOURCE/tests/requirements.lock
readonly BUILD_PACKAGES="gcc libc6-dev libmilter-dev"
readonly RUN_PACKAGES="libmilter1.0.1 libarchive13 libmagic1"
is_dry=no

fail() {
    echo "install: $*" >&2
    exit 64
}

run() {
    if [ "$is_dry" = yes ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

install_packages() {
    local missing=()
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    run apt-get -qq update
    run env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
}

packages() {
    # shellcheck disable=SC2086 # lists of words
    case "${1:-}" in
        build) install_packages $BUILD_PACKAGES ;;
        run) install_packages $RUN_PACKAGES ;;
        *) fail "packages build, or packages run" ;;
    esac
}

venv() {
    [ $# -gt 0 ] || fail "venv: which folder?"
    local folder=$1
    shift
    [ $# -gt 0 ] || set -- "$SOURCE"
    local pins=()
    [ ! -e "$LOCK" ] || pins=(--constraint "$LOCK")
    run "${PYTHON:-python3}" -m venv "$folder"
    run "$folder/bin/python" -m pip --disable-pip-version-check --no-cache-dir install --quiet "${pins[@]}" "$@"
}

files() {
    [ $# -eq 1 ] || fail "files: below which folder? (/ for this machine)"
    local root=${1%/}
    run install -D -m 644 "$SOURCE/etc/systemd/milterguard.service" "$root/etc/systemd/system/milterguard.service"
    run install -D -m 644 "$SOURCE/etc/systemd/milterguard-keys.service" "$root/etc/systemd/system/milterguard-keys.service"
    run install -D -m 644 "$SOURCE/etc/systemd/sysusers.d/milterguard.conf" "$root/etc/sysusers.d/milterguard.conf"
    run install -D -m 644 "$SOURCE/etc/systemd/tmpfiles.d/milterguard.conf" "$root/etc/tmpfiles.d/milterguard.conf"
    if [ ! -e "$root/etc/milterguard/milterguard.toml" ]; then
        run install -D -m 644 "$SOURCE/etc/milterguard.toml" "$root/etc/milterguard/milterguard.toml"
    fi
}

if [ "${1:-}" = --dry-run ]; then
    is_dry=yes
    shift
fi
case "${1:-}" in
    packages | venv | files) "$@" ;;
    *) fail "expected packages, venv or files; see the head of $0" ;;
esac
