#!/bin/sh
# Have /usr/bin/chromium, which the tests of the review desk drive. As root on Debian it is installed;
# elsewhere its absence is said, and those tests are skipped.
set -eu

[ -x /usr/bin/chromium ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing chromium"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
    exit 0
fi
echo "*** /usr/bin/chromium is missing: the browser tests will be SKIPPED; install it with: sudo apt-get install chromium" >&2
