#!/bin/sh
# Make a virtual environment that holds what lock files say and nothing else.
#
#   tools/make_venv.sh DIR LOCK...
#
# Every file is checked against its hash in the lock; only wheels are taken, so nothing is compiled.
# PYTHON names the interpreter; without it, the first Python 3.11 or newer on the path.
set -eu

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

stop() {
    echo "error: $1" >&2
    exit 1
}

dir=$1
shift

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || stop "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11 ..."
"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
    stop "this Python cannot make virtual environments; on Debian and Ubuntu: sudo apt-get install python3-venv"

[ -x "$dir/bin/python" ] || "$python" -m venv "$dir"
for lock in "$@"; do
    "$dir/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$lock"
done
