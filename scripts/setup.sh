#!/usr/bin/env bash
# Brings a bare Debian 12 or Ubuntu 24.04 (make, C compiler, rustup's Rust, Python 3) to where every
# target of the Makefile works: the servers and tools that tests start, and .venv with the pinned Python tools.
# With the argument `drills` also what only these need: cargo-fuzz.
# What is there already is left alone. Exit 69 (EX_UNAVAILABLE) when something is missing that only
# an administrator can add.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=tests/python/requirements.txt

say() { printf 'setup: %s\n' "$*"; }
unavailable() {
    printf 'setup: %s\n' "$*" >&2
    exit 69
}
have() { command -v "$1" >/dev/null 2>&1; }

have cargo || unavailable "cargo not found in PATH or ~/.cargo/bin: install Rust with rustup"
have cc || unavailable "no C compiler found: apt-get install gcc libc6-dev"
have python3 || unavailable "python3 not found: apt-get install python3"

# The stamp names the pins that .venv was made from. After an upgrade of the system's Python the stamp
# still stands but nothing can be imported any more.
stamp=.venv/stamp-$(sha256sum <"$requirements" | cut -c1-16)

venv_is_current() { [ -e "$stamp" ] && .venv/bin/python -c 'import grpc, pytest' 2>/dev/null; }
# Debian splits ensurepip out of Python, so asking Python is surer than asking for a package.
venv_is_possible() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

install_packages() {
    # A package that brings a service must not start it: tests start their own Redis.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        # shellcheck disable=SC2064  # the path is meant to be fixed now
        trap "rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@"
    local service
    for service in redis-server prometheus; do
        if [ -d /run/systemd/system ] && [[ " $* " == *" $service "* ]]; then
            systemctl disable --now "$service.service" >/dev/null 2>&1 ||
                say "could not disable $service.service; it will start with the machine"
        fi
    done
}

missing=()
# Package -> the program that it is wanted for. Tests start each of them themselves, on ports of their own.
declare -A programs=([redis-server]=redis-server [faketime]=faketime [prometheus]=promtool [buildah]=buildah)
for package in "${!programs[@]}"; do
    have "${programs[$package]}" || missing+=("$package")
done
venv_is_current || venv_is_possible || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! have apt-get; then
        printf 'setup: missing: %s. As root:\n' "${missing[*]}" >&2
        printf 'apt-get update && apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
        exit 69
    fi
    say "installing ${missing[*]} with apt"
    install_packages "${missing[@]}"
    for package in "${missing[@]}"; do
        program=${programs[$package]:-python3}
        have "$program" || unavailable "$program is still missing after apt-get install $package"
    done
fi

if ! venv_is_current; then
    say "making .venv from $requirements"
    python3 -m venv --clear .venv
    # Every package is pinned, so nothing is resolved here (--no-deps) and nothing is compiled;
    # `pip check` proves that the list of pins is complete.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
        --no-deps --only-binary=:all: -r "$requirements"
    .venv/bin/python -m pip check --disable-pip-version-check >/dev/null ||
        unavailable "$requirements is not complete: $(.venv/bin/python -m pip check 2>&1 | head -3)"
    touch "$stamp"
fi

if [ "${1:-}" = drills ] && ! have cargo-fuzz; then
    say "installing cargo-fuzz"
    cargo install cargo-fuzz --locked --quiet
fi
