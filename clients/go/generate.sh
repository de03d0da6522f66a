#!/bin/sh
# Generates gen/ from ../../proto. Needs buf (node_modules/.bin of the repository has it) and Go.
set -eu
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
GOBIN="$tools" go install google.golang.org/protobuf/cmd/protoc-gen-go ./cmd/protoc-gen-go-dswarm
cd ../..
PATH="$tools:$PWD/node_modules/.bin:$PATH" buf generate --template clients/go/buf.gen.yaml
gofmt -w clients/go/gen
