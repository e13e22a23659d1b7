#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes a bare Debian 12 machine ready for `make demo` and `make test`: packages by apt-get, the
# virtual environment in .venv, this package in it. May be run again at any time; does only what is missing.
#
# Outside this folder nothing changes but installed packages: while they are installed, policy-rc.d keeps
# them from starting services, and what stood in its place before is put back.
#
#   PYTHON=python3.12 tests/setup.sh     takes that Python instead of the first suitable one
set -euo pipefail

cd "$(dirname "$0")/.."
readonly VENV=.venv
readonly STAMP=$VENV/.milterguard-setup
readonly LOCK=tests/requirements.lock
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_SAVED=/usr/sbin/policy-rc.d.before-milterguard
readonly POLICY_MARK="# Put here by milterguard's tests/setup.sh for the time of an installation."
readonly DAEMON_PACKAGES="postfix clamav-daemon spamassassin spamd postgresql mariadb-server slapd"
readonly TEST_PACKAGES="procps openssl systemd util-linux mount libmail-dkim-perl"
readonly BUILD_PACKAGES="libmilter-dev libldap2-dev libsasl2-dev gcc libc6-dev make ca-certificates"
readonly LIBRARIES="libarchive13 libmagic1"
readonly ARCHIVERS="clamav-testfiles 7zip zip arj cpio genisoimage lz4 lzop ncompress rpm xz-utils zstd"
readonly SAMPLES=$VENV/samples/dkimpy
readonly LISTS_FRESH_HOURS=24

say() { echo "setup: $*"; }

fail() {
    echo "setup: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        fail "this needs root (or sudo): $*"
    fi
}

# --- packages -----------------------------------------------------------------------------------

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

missing_of() {
    for package in "$@"; do
        is_installed "$package" || echo "$package"
    done
}

install_packages() {
    local missing
    missing=$(missing_of "$@" | xargs)
    [ -n "$missing" ] || return 0
    command -v apt-get > /dev/null || fail "no apt-get here; install by hand what these Debian packages hold: $missing"
    say "installing the Debian packages $missing (no service is started)"
    lists_are_fresh || apt_get update
    hold_services
    if is_in postfix "$missing"; then
        echo "postfix postfix/main_mailer_type select No configuration" | as_root debconf-set-selections
    fi
    if is_in slapd "$missing"; then
        echo "slapd slapd/no_configuration boolean true" | as_root debconf-set-selections
    fi
    # shellcheck disable=SC2086 # a list of words
    if ! apt_get install $missing; then
        say "once more, with fresh package lists, after what an interrupted installation may have left"
        as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a > "$apt_log" 2>&1 || true
        apt_get update
        apt_get install $missing || fail "apt-get could not install $missing"
    fi
    free_services
}

is_in() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac; }

lists_are_fresh() {
    [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mmin -$((LISTS_FRESH_HOURS * 60)) -print -quit 2> /dev/null)" ]
}

apt_get() {
    local action=$1
    shift
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
        --no-install-recommends -y "$action" "$@" > "$apt_log" 2>&1 || {
        tail -n 30 "$apt_log" >&2
        return 1
    }
}

# --- no service starts --------------------------------------------------------------------------

hold_services() {
    are_services_held=yes
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then
        as_root mv -T "$POLICY" "$POLICY_SAVED"
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" > /dev/null
    as_root chmod 755 "$POLICY"
}

free_services() {
    if grep -qsF "$POLICY_MARK" "$POLICY"; then
        as_root rm -f "$POLICY"
    fi
    if [ -e "$POLICY_SAVED" ] || [ -L "$POLICY_SAVED" ]; then
        as_root mv -T "$POLICY_SAVED" "$POLICY"
    fi
    are_services_held=no
}

clean_up() {
    local status=$?
    trap '' INT TERM HUP
    if [ "$are_services_held" = yes ]; then
        free_services
    fi
    rm -f "$apt_log"
    exit "$status"
}

# --- Python -------------------------------------------------------------------------------------

is_suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs"
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if is_suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

is_debians() { [ "$("$1" -c 'import sys; print(sys.base_prefix)')" = /usr ]; }

choose_python() {
    python=$(find_python)
    if [ -z "$python" ]; then
        say "no Python 3.11 to 3.13 here yet"
        install_packages python3 python3-venv python3-dev
        python=$(find_python)
        [ -n "$python" ] || fail "Debian's Python is not 3.11, 3.12 or 3.13; name another one: PYTHON=/path make setup"
    fi
    if is_debians "$python"; then
        local version
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        install_packages "$version-venv" "$version-dev"
    fi
    "$python" -c 'import ensurepip, venv' 2> /dev/null || fail "$python cannot make virtual environments"
    [ -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
        fail "$python comes without its C headers (Python.h), which pymilter is built with"
}

version_of() { "$1" -c 'import sys; print(sys.version, sys.base_prefix)' 2> /dev/null; }

# What the environment was made from: another Python, other requirements, another folder make it stale.
fingerprint() {
    {
        pwd
        version_of "$VENV/bin/python"
        sha256sum pyproject.toml "$LOCK"
    } | sha256sum
}

# A suitable Python in it, and the one that was asked for.
is_venv_usable() {
    is_suitable "$VENV/bin/python" &&
        { [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$VENV/bin/python")" ]; }
}

is_venv_ready() { [ -e "$STAMP" ] && is_venv_usable && [ "$(fingerprint)" = "$(cat "$STAMP")" ]; }

make_venv() {
    if [ -e "$VENV" ] && ! is_venv_usable; then
        say "$VENV was made with another Python; making it anew"
        rm -rf "$VENV"
    fi
    if [ ! -x "$VENV/bin/pip" ]; then
        say "making $VENV with $("$python" --version) ($python)"
        "$python" -m venv "$VENV"
    fi
    rm -f "$STAMP"
    say "installing milterguard and its requirements into $VENV"
    "$VENV/bin/python" -m pip --disable-pip-version-check install -q --use-pep517 --constraint "$LOCK" --editable '.[dev]'
    fingerprint > "$STAMP"
}

# dkimpy's own sample messages are in its source archive only; the tests read them from there.
fetch_samples() {
    local version scratch
    [ ! -d "$SAMPLES/data" ] || return 0
    version=$(sed -n 's/^dkimpy==//p' "$LOCK")
    say "fetching the sample messages of dkimpy $version"
    scratch=$(mktemp -d)
    "$VENV/bin/python" -m pip --disable-pip-version-check download -q --no-deps --no-binary :all: \
        --dest "$scratch" "dkimpy==$version" || {
        rm -rf "$scratch"
        fail "the source archive of dkimpy $version could not be had"
    }
    mkdir -p "$SAMPLES"
    tar --extract --gzip --file "$scratch/dkimpy-$version.tar.gz" --directory "$SAMPLES" --strip-components=3 \
        "dkimpy-$version/dkim/tests/data"
    rm -rf "$scratch"
}

# ------------------------------------------------------------------------------------------------

are_services_held=no
apt_log=$(mktemp)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A run that was killed may have left its own policy-rc.d.
if grep -qsF "$POLICY_MARK" "$POLICY" || [ -e "$POLICY_SAVED" ]; then
    free_services
fi
# shellcheck disable=SC2086 # lists of words
install_packages $DAEMON_PACKAGES $LIBRARIES $TEST_PACKAGES $ARCHIVERS $BUILD_PACKAGES
if is_venv_ready; then
    say "everything is there"
else
    choose_python
    make_venv
    say "ready"
fi
fetch_samples
