// Package dswarm connects to nodes named by their public keys, calls their services and serves them one's own.
package dswarm

import (
	"context"
	"time"

	"github.com/dswarm/dswarm/clients/go/channel"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
)

// Options of connections. Zero values stand for the defaults.
type Options struct {
	// Keys are ours. Default: new ones for each connection.
	Keys *identity.Keys
	// Network is the network's name. Default "dev".
	Network string
	// NetworkKey is used instead of the name's when it is not nil.
	NetworkKey *identity.NetworkKey
	// HandshakeTimeout bounds connecting, from the first packet to the end of the handshake. Default 5 s.
	HandshakeTimeout time.Duration
	// RPC has the bounds of the connection, and the server that answers the peer's calls.
	RPC rpc.Options
}

// Dial connects to "dswarm://KEY@HOST:PORT". ctx bounds connecting only; the connection lives until Close.
func Dial(ctx context.Context, address string, opts Options) (*rpc.Conn, error) {
	to, err := identity.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return DialAddress(ctx, to, opts)
}

// DialAddress connects to a node by key and "HOST:PORT".
func DialAddress(ctx context.Context, to identity.Address, opts Options) (*rpc.Conn, error) {
	keys := opts.Keys
	if keys == nil {
		keys = identity.GenerateKeys()
	}
	link, err := channel.Dial(ctx, to, identity.ChooseNetworkKey(opts.NetworkKey, opts.Network), keys, opts.HandshakeTimeout)
	if err != nil {
		return nil, err
	}
	return rpc.NewConn(link, opts.RPC), nil
}
