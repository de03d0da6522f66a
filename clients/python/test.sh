#!/bin/sh
# Checks the Python client: ruff, mypy, generated code, pytest. Makes .venv at its first run. Needs npm install in the root, for
# buf and for the nodes of the integration tests.
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

[ -x ../../node_modules/.bin/buf ] || { echo "node_modules is missing: run npm install in the root of the repository" >&2; exit 1; }
generated="$(mktemp -d)"
trap 'rm -rf "$generated"' EXIT
PATH="$PWD/.venv/bin:$PATH" ./generate.sh "$generated"
for part in v1 example; do
  diff -r --exclude=__pycache__ "dswarm/$part" "$generated/dswarm/$part" || { echo "dswarm/$part differs from proto/: run generate.sh" >&2; exit 1; }
done

.venv/bin/pytest -q
