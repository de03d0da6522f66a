package main

import (
	"context"
	"fmt"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

type connection struct {
	conn    *rpc.Conn
	service *echoService
}

func parseID(c command) (object, error) {
	id, err := identity.ParseNodeID(c.Text)
	return object{"id": id[:]}, err
}

func parseAddress(c command) (object, error) {
	address, err := identity.ParseAddress(c.Text)
	if err != nil {
		return nil, err
	}
	host, port, err := identity.SplitHostPort(address.Host)
	return object{"id": address.ID[:], "host": host, "port": port}, err
}

func keyOfSeed(c command) (object, error) {
	keys, err := identity.KeysFromSeed(c.Seed)
	if err != nil {
		return nil, err
	}
	id := keys.ID()
	return object{"id": id[:]}, nil
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// whoAndWhere are the network and the keys that a command names; nil where it names none.
func whoAndWhere(c command) (*identity.NetworkKey, *identity.Keys, error) {
	var network *identity.NetworkKey
	switch {
	case c.NetworkKey != nil && len(c.NetworkKey) != len(network):
		return nil, nil, fmt.Errorf("a network key of %d bytes", len(c.NetworkKey))
	case c.NetworkKey != nil:
		network = (*identity.NetworkKey)(c.NetworkKey)
	case c.Network != nil:
		key := identity.NetworkKeyOf(*c.Network)
		network = &key
	}
	if c.Seed == nil {
		return network, nil, nil
	}
	keys, err := identity.KeysFromSeed(c.Seed)
	return network, keys, err
}

func (a *adapter) dial(c command) (object, error) {
	o := c.Options
	service, server := newEchoService(), rpc.NewServer()
	if c.Serve {
		echo.RegisterEchoServiceServer(server, service)
	}
	opts := dswarm.Options{HandshakeTimeout: milliseconds(o.HandshakeTimeoutMs), RPC: rpc.Options{
		Server: server, MaxMessageBytes: o.MaxMessageBytes, MaxConcurrentStreams: o.MaxConcurrentStreams,
		KeepaliveInterval: milliseconds(o.KeepaliveIntervalMs), KeepaliveTimeout: milliseconds(o.KeepaliveTimeoutMs),
		DrainTimeout: milliseconds(o.DrainTimeoutMs), RequestTimeout: milliseconds(o.RequestTimeoutMs),
		WriteTimeout: milliseconds(o.WriteTimeoutMs),
	}}
	var err error
	if opts.NetworkKey, opts.Keys, err = whoAndWhere(c); err != nil {
		return nil, err
	}
	conn, err := dswarm.Dial(context.Background(), c.Address, opts)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	name := fmt.Sprintf("c%d", len(a.connections)+1)
	a.connections[name] = &connection{conn, service}
	peer := conn.RemoteID()
	return object{"connection": name, "peer": peer[:]}, nil
}

func (a *adapter) connection(name string) (*connection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.connections[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("there is no connection %q", name)
}

func (a *adapter) onConnection(c command) (object, error) {
	connection, err := a.connection(c.Connection)
	if err != nil {
		return nil, err
	}
	switch c.Do {
	case "close":
		_ = connection.conn.Close() // "closed" says how it ended
		return object{}, nil
	case "closed":
		<-connection.conn.Done()
		if err := connection.conn.Err(); err != nil {
			return object{"code": status.ReasonOf(err)}, nil
		}
		return object{"code": "goodbye"}, nil
	case "release":
		connection.service.release()
		return object{}, nil
	default:
		s := connection.service
		return object{"running": s.running.Load(), "cancelled": s.cancelled.Load(), "messages": s.messages.Load()}, nil
	}
}
