#!/bin/sh
# Writes the hashed requirement lists from pyproject.toml: run after changing a dependency.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
"$uv" lock --upgrade --quiet
export_() { "$uv" export --quiet --no-emit-project --no-header --no-annotate --format requirements-txt "$@" >/dev/null; }
export_ --extra station --group build -o requirements/run.txt
export_ --extra station --group dev --group oracles -o requirements/test.txt
export_ --only-group sparkplug-oracle -o requirements/sparkplug-oracle.txt
export_ --only-group sdm-oracle -o requirements/sdm-oracle.txt
# The installer that reads these lists, for a machine that has only pip.
grep -A99 '^uv==' requirements/test.txt | awk 'NR==1 || /^ /{print; next} {exit}' > requirements/uv.txt
