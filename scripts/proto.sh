#!/bin/sh
# Generates Go code from the .proto files of the module. It needs protoc 31 or later (or the
# Python package grpcio-tools, with PROTOC="python -m grpc_tools.protoc"), and installs the
# plugins at the versions below.
set -eu
cd "$(dirname "$0")/.."
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.10
GOBIN=$bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.0
git ls-files -co --exclude-standard '*.proto' | while read -r file; do
	PATH="$bin:$PATH" ${PROTOC:-protoc} -I . --go_out=. --go_opt=paths=source_relative \
		--go-grpc_out=. --go-grpc_opt=paths=source_relative "$file"
done
