// Package rpc carries calls in both directions over one connection between two nodes.
package rpc

import (
	"log/slog"
	"time"
)

// Fixed by the protocol.
const (
	maxPieceBytes     = 69632
	maxMethodBytes    = 256
	maxErrorBytes     = 4096
	dataCost          = 64    // credit that a data frame costs besides its payload
	streamCredit      = 73728 // a piece of the largest size fits
	connectionCredit  = 1048576
	maxCredit         = 1 << 40 // a peer that gives more is broken or plays
	maxDetailBytes    = 20480   // of error details; what is beyond is left out
	lastStream        = 1<<31 - 1
	sendPieceBytes    = 32 << 10 // streams take turns at this size
	minPieceBytes     = 4 << 10  // smaller pieces wait for more credit
	grantConnection   = 256 << 10
	outboxSoftBytes   = 512 << 10 // above it, callers and handlers wait
	callBytes         = 2048      // counted for a call of the peer beyond its request
	writeBytes        = 128 << 10 // written at once: a write that goes on is progress
	goodbyeTimeout    = time.Second
	maxDrainPong      = time.Second // a peer that takes longer is not waited for
	unlimitedDuration = time.Duration(1<<63 - 1)
)

// Options of a connection. Zero values stand for the defaults.
type Options struct {
	// Server answers the peer's calls. Default: none, and calls are unimplemented.
	Server *Server
	// Interceptors run around calls of this end, the first outermost.
	Interceptors []ClientInterceptor
	// ServerInterceptors run around handlers, the first outermost.
	ServerInterceptors []ServerInterceptor
	// MaxMessageBytes bounds a message, sent or received. Default 16 MiB.
	MaxMessageBytes int
	// MaxConcurrentStreams bounds the peer's calls that run here at once. Default 1024.
	MaxConcurrentStreams int
	// StreamWindowBytes is the window of a stream in use: what the peer may send ahead of its reader. At least 73728. Default 256 KiB.
	StreamWindowBytes int
	// WindowPoolBytes bounds by how much the windows of all streams may grow together. Above it, streams keep windows of 73728 bytes.
	// Default 8 MiB; negative is none.
	WindowPoolBytes int
	// MaxAssemblingBytes bounds the incomplete messages that readers wait for. Above it, the oldest alone goes on. Default 8 MiB.
	MaxAssemblingBytes int
	// MaxHeldBytesPerConnection bounds what is received of the peer's calls, and 2048 bytes for each, before new ones are refused.
	// Default 32 MiB.
	MaxHeldBytesPerConnection int
	// Memory bounds what this connection and others hold together. Default: 128 MiB for all connections of the process without one.
	Memory *Memory
	// MaxQueuedBytes bounds the frames that wait for the network; above it the connection ends. Default 64 MiB.
	MaxQueuedBytes int
	// RequestTimeout is the time that a request of the peer may stay incomplete without progress; its call fails then. Default 30 s.
	RequestTimeout time.Duration
	// WriteTimeout is the time in which the peer takes nothing of what waits for it, whatever it sends: no byte, or no message for want of
	// credit of the connection. The connection ends then. Default 15 s.
	WriteTimeout time.Duration
	// MaxFaults bounds the faults that the peer may commit at once before the connection ends: refused calls, broken rules, pings.
	// Default 20,000.
	MaxFaults int
	// FaultsPerSecond is how many of them are forgiven each second. Default 5000.
	FaultsPerSecond int
	// KeepaliveInterval is the silence after which the peer is probed. Default 15 s.
	KeepaliveInterval time.Duration
	// KeepaliveTimeout is the time for any byte after a probe. Default 10 s.
	KeepaliveTimeout time.Duration
	// IdleTimeout closes a connection without a call. Where this end serves it does not: a call of the peer's health every third of it
	// keeps the connection in use at both ends. Default 5 min; negative is never.
	IdleTimeout time.Duration
	// Logger hears of handlers that panic, and of errors of theirs that are no status, whose text their callers do not see. Default
	// slog.Default(); slog.New(slog.DiscardHandler) hears of none.
	Logger *slog.Logger
	// DrainTimeout is the time that calls in flight have when the connection is closed. Default 5 s; negative is none.
	DrainTimeout time.Duration
}

func (o Options) withDefaults() Options {
	orElse(&o.MaxMessageBytes, 16<<20)
	orElse(&o.MaxConcurrentStreams, 1024)
	orElse(&o.StreamWindowBytes, 256<<10)
	o.StreamWindowBytes = max(o.StreamWindowBytes, streamCredit)
	orElse(&o.WindowPoolBytes, 8<<20)
	orElse(&o.MaxAssemblingBytes, 8<<20)
	orElse(&o.MaxHeldBytesPerConnection, 32<<20)
	if o.Memory == nil {
		o.Memory = processMemory
	}
	orElse(&o.MaxQueuedBytes, 64<<20)
	orElse(&o.MaxFaults, 20_000)
	orElse(&o.FaultsPerSecond, 5000)
	orElse(&o.RequestTimeout, 30*time.Second)
	orElse(&o.WriteTimeout, 15*time.Second)
	orElse(&o.KeepaliveInterval, 15*time.Second)
	orElse(&o.KeepaliveTimeout, 10*time.Second)
	orElse(&o.IdleTimeout, 5*time.Minute)
	orElse(&o.DrainTimeout, 5*time.Second)
	return o
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.Default() // of now: a program may set it later
	}
	return o.Logger
}

func orElse[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
