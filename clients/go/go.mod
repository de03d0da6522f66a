module github.com/dswarm/dswarm/clients/go

go 1.25.0

require (
	filippo.io/edwards25519 v1.2.0
	github.com/coder/websocket v1.8.15
	golang.org/x/crypto v0.55.0
	google.golang.org/protobuf v1.36.12
)

require golang.org/x/sys v0.47.0 // indirect

tool google.golang.org/protobuf/cmd/protoc-gen-go
