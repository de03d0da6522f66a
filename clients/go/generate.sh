#!/bin/sh
# Generates gen/ from ../../proto; with --check says whether it is what it would generate. Needs buf, which npm install in the root
# brings, and Go.
set -eu
cd "$(dirname "$0")/../.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
GOBIN="$made/bin" go install -C clients/go google.golang.org/protobuf/cmd/protoc-gen-go ./cmd/protoc-gen-go-dswarm
PATH="$made/bin:$PWD/node_modules/.bin:$PATH" buf generate --template clients/go/buf.gen.yaml --output "$made"
gofmt -w "$made/clients/go/gen"
if [ "${1-}" = --check ]; then
  diff -r clients/go/gen "$made/clients/go/gen" || {
    echo "clients/go/gen is not what ./generate.sh makes of proto/" >&2
    exit 1
  }
else
  rm -rf clients/go/gen
  cp -R "$made/clients/go/gen" clients/go/gen
fi
