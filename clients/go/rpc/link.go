package rpc

import (
	"io"

	"github.com/dswarm/dswarm/clients/go/identity"
)

// Link is an encrypted stream of bytes between two nodes. One goroutine reads and one writes.
type Link interface {
	// Read returns io.EOF for the peer's goodbye, another error for any other end.
	io.Reader
	io.Writer
	// Goodbye says that nothing more is written.
	Goodbye() error
	// Close ends the stream after what was written; it does not wait, and reads and writes under way soon fail.
	Close() error
	// RemoteID is the peer's proven key.
	RemoteID() identity.NodeID
	// IsDialer says whether this end dialed.
	IsDialer() bool
}
