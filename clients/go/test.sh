#!/bin/sh
# Checks the Go module: gofmt, vet, generated code, tests with the race detector. Some need npm install in the root.
set -eu
cd "$(dirname "$0")"
if ! command -v go >/dev/null; then
  echo "clients/go: go is missing; install Go $(sed -n 's/^go //p' go.mod) or newer: https://go.dev/dl" >&2
  exit 1
fi
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "not formatted: $unformatted" >&2
  exit 1
fi
go vet ./...
go vet -C bench ./...
if [ -x ../../node_modules/.bin/buf ]; then
  ./generate.sh --check
else
  echo "clients/go: skipped: whether gen/ is up to date; run npm install in the root for buf" >&2
fi
go test -race -timeout 300s ./...
