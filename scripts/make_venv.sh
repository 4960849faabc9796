#!/bin/sh
# Makes .venv with uv in it. Usage: make_venv.sh PYTHON
set -eu
cd "$(dirname "$0")/.."
mkdir -p .make
"$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "metergate needs Python 3.11 or later; $1 is $("$1" --version)." >&2; exit 1; }
if ! "$1" -m venv .venv 2>.make/venv.log; then
    # Debian keeps venv in a package of its own.
    rm -rf .venv
    sh scripts/packages.sh python3-venv || { cat .make/venv.log >&2; exit 1; }
    "$1" -m venv .venv
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
