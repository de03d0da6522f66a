#!/bin/sh
# Checks the Go module: gofmt, vet, tests with the race detector. The integration tests need npm install in the root.
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
go test -race -timeout 300s ./...
