// Package rpc carries calls in both directions over one connection between two nodes.
package rpc

import "time"

// Fixed by the protocol.
const (
	maxPieceBytes     = 69632
	maxMethodBytes    = 256
	maxErrorBytes     = 4096
	dataCost          = 64 // credit that a data frame costs besides its payload
	streamCredit      = 73728
	connectionCredit  = 1048576
	maxCredit         = 1 << 40 // a peer that gives more is broken or plays
	maxDetailBytes    = 20480   // of error details; what is beyond is left out
	lastStream        = 1<<31 - 1
	sendPieceBytes    = 32 << 10 // streams take turns at this size
	minPieceBytes     = 4 << 10  // smaller pieces wait for more credit
	grantBytes        = 32 << 10 // a stream's credit is given from this many bytes on
	grantConnection   = 256 << 10
	outboxSoftBytes   = 512 << 10 // above it, callers and handlers wait
	writeTimeout      = 30 * time.Second
	goodbyeTimeout    = time.Second
	maxDrainPong      = time.Second // a peer that takes longer is not waited for
	unlimitedDuration = time.Duration(1<<63 - 1)
)

// Options of a connection. Zero values stand for the defaults.
type Options struct {
	// Server answers the peer's calls. Default: none, and calls are unimplemented.
	Server *Server
	// MaxMessageBytes bounds a message, sent or received. Default 16 MiB.
	MaxMessageBytes int
	// MaxConcurrentStreams bounds the peer's calls that run here at once. Default 1024.
	MaxConcurrentStreams int
	// MaxUnconsumedBytes bounds what was received and not consumed, before the peer gets no more credit. Default 8 MiB.
	MaxUnconsumedBytes int
	// MaxQueuedBytes bounds what waits to be written to a peer that does not read; above it the connection ends. Default 64 MiB.
	MaxQueuedBytes int
	// KeepaliveInterval is the silence after which the peer is probed. Default 15 s.
	KeepaliveInterval time.Duration
	// KeepaliveTimeout is the time for any byte after a probe. Default 10 s.
	KeepaliveTimeout time.Duration
	// IdleTimeout closes a connection without a call. Default 5 min; negative is never.
	IdleTimeout time.Duration
	// DrainTimeout is the time that calls in flight have when the connection is closed. Default 5 s; negative is none.
	DrainTimeout time.Duration
}

func (o Options) withDefaults() Options {
	orElse(&o.MaxMessageBytes, 16<<20)
	orElse(&o.MaxConcurrentStreams, 1024)
	orElse(&o.MaxUnconsumedBytes, 8<<20)
	orElse(&o.MaxQueuedBytes, 64<<20)
	orElse(&o.KeepaliveInterval, 15*time.Second)
	orElse(&o.KeepaliveTimeout, 10*time.Second)
	orElse(&o.IdleTimeout, 5*time.Minute)
	orElse(&o.DrainTimeout, 5*time.Second)
	return o
}

func orElse[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
