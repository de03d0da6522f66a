#!/bin/sh
# Generates the messages and stubs under dswarm/, or under another directory, from ../../proto: ./generate.sh [DIRECTORY].
# Needs the repository's buf and a Python with grpcio-tools first in PATH (./test.sh makes one: PATH=.venv/bin:$PATH
# ./generate.sh). Works offline.
set -eu
cd "$(dirname "$0")"
PATH="$PATH:$PWD/../../node_modules/.bin" PYTHONPATH=. buf generate --template buf.gen.yaml --output "${1:-.}"
