#!/bin/sh
# Installs Debian packages that are missing: those named, or else the servers and the browser that the tests talk to.
# Needs root or a sudo that asks for no password; without them it says what is missing and ends well,
# because the tests skip what is not there (with CI=true they fail).
set -eu
[ $# -gt 0 ] || set -- mosquitto mosquitto-clients postgresql chromium
command -v dpkg-query >/dev/null || { echo "not Debian: please install yourself: $*" >&2; exit 0; }
missing=
for name; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=sudo
else
    echo "no right to install:$missing; the tests that need them are skipped" >&2
    exit 0
fi
echo "installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >.make/packages.log 2>&1 || { tail -20 .make/packages.log >&2; exit 1; }
