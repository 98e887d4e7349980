#!/bin/sh
# Run a command beside a PostgreSQL server of its own, which ends with it.
#
#   tools/postgres.sh COMMAND...
#
# The command finds the server in CORROBORATOR_TEST_POSTGRES. As root on Debian the server is
# installed first, and runs as its own user. Where there is none, the command runs without, and the
# tests that need it say so.
set -eu

server() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1; }

root=$(id -u)
if [ -z "$(server)" ] && [ "$root" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing PostgreSQL"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
bin=$(server)
if [ -z "$bin" ]; then
    echo "*** PostgreSQL is missing: its tests will be SKIPPED; install it with: sudo apt-get install postgresql" >&2
    exec "$@"
fi

dir=$(mktemp -d -t corroborator-postgres.XXXXXX)
as=
if [ "$root" = 0 ]; then
    as="setpriv --reuid=postgres --regid=postgres --init-groups"
    chown postgres "$dir"
fi
stop() {
    (cd / && $as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$dir"
}
trap stop EXIT
(
    cd /
    $as "$bin/initdb" -D "$dir/data" -U corroborator -A trust --no-sync >/dev/null
    $as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
        -o "-c listen_addresses= -c unix_socket_directories=$dir" start >/dev/null
)
CORROBORATOR_TEST_POSTGRES="postgresql://corroborator@/postgres?host=$dir" "$@"
