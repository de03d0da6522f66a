#!/bin/sh
# Checks the Python client: ruff, mypy, pytest. Makes .venv at its first run. The integration tests need npm install in the root.
set -eu
cd "$(dirname "$0")"
command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.11 or newer" >&2; exit 1; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is older than 3.11" >&2; exit 1; }
if ! cmp -s requirements.txt .venv/requirements.txt; then
  python3 -m venv .venv || { echo "python3 has no venv: install python3-venv" >&2; exit 1; }
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt .venv/requirements.txt
fi
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/pytest -q
