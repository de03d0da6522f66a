// Package discovery hears the signed announces of nodes by UDP multicast (docs/protocol.md, section 2). It announces nothing: who
// is not dialed has nothing to announce.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	defaultInterface = "127.0.0.1"
	defaultUDPPort   = 25519
	readPause        = 100 * time.Millisecond // a socket that keeps failing is not asked in a tight loop
	receiveBuffer    = 1 << 20                // a hundred nodes that announce at once lose a tenth in the default one
)

var group = net.IPv4(239, 255, 255, 19)

// Peer is a node that was heard: a candidate, until a handshake at one of the addresses has proven its key.
type Peer struct {
	ID identity.NodeID
	// Addresses are "HOST:PORT", the best first; at least one.
	Addresses []string
}

// Options of listening. Zero values stand for the defaults.
type Options struct {
	// Network is the network's name. Default "dev".
	Network string
	// NetworkKey is used instead of the name's when it is not nil.
	NetworkKey *identity.NetworkKey
	// Interface is the IPv4 address of the network interface to listen on. Default "127.0.0.1", this machine only.
	Interface string
	// UDPPort is the port of the group. Default 25519.
	UDPPort int
}

// Discovery listens on one interface. Safe for concurrent use.
type Discovery struct {
	conn *net.UDPConn
	done chan struct{}

	mu      sync.Mutex
	table   *peerTable
	changed chan struct{} // closed with each packet that is accepted
	counts  map[string]uint64
}

// Listen hears nodes until Close. Errors interface_unknown, discovery_failed.
func Listen(opts Options) (*Discovery, error) {
	if opts.Interface == "" {
		opts.Interface = defaultInterface
	}
	if opts.UDPPort == 0 {
		opts.UDPPort = defaultUDPPort
	}
	card, err := interfaceOf(opts.Interface)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenMulticastUDP("udp4", card, &net.UDPAddr{IP: group, Port: opts.UDPPort})
	if err != nil {
		return nil, status.Fail("discovery_failed", err.Error(), err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		return nil, errors.Join(status.Fail("discovery_failed", err.Error(), err), conn.Close())
	}
	d := &Discovery{
		conn: conn, done: make(chan struct{}), changed: make(chan struct{}), counts: map[string]uint64{},
		table: newPeerTable(identity.ChooseNetworkKey(opts.NetworkKey, opts.Network).ID()),
	}
	go d.readLoop()
	return d, nil
}

// interfaceOf finds the network interface that has an address.
func interfaceOf(text string) (*net.Interface, error) {
	wanted, err := netip.ParseAddr(text)
	if err != nil || !wanted.Is4() {
		return nil, status.Fail("interface_unknown", fmt.Sprintf("%q is no IPv4 address", text), err)
	}
	cards, err := net.Interfaces()
	if err != nil {
		return nil, status.Fail("discovery_failed", err.Error(), err)
	}
	for _, card := range cards {
		addresses, err := card.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, address := range addresses {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil && prefix.Addr() == wanted {
				return &card, nil
			}
		}
	}
	return nil, status.Fail("interface_unknown", "no interface has the address "+text, nil)
}

func (d *Discovery) readLoop() {
	defer close(d.done)
	buffer := make([]byte, maxPacketBytes+1) // what is cut off is too large anyway
	for {
		n, source, err := d.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			d.count("failed")
			time.Sleep(readPause)
			continue
		}
		d.hear(buffer[:n], netip.AddrPortFrom(source.Addr().Unmap(), source.Port()))
	}
}

func (d *Discovery) hear(packet []byte, source netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var reason dropped
	if err := d.table.hear(packet, source, time.Now()); errors.As(err, &reason) {
		d.counts["dropped."+string(reason)]++
		return
	}
	d.counts["accepted"]++
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *Discovery) count(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[name]++
}

// Peers are the nodes that are there, in the order of their ids. Bounded by 4096.
func (d *Discovery) Peers() []Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.table.list(time.Now())
}

// Counts says how many packets were "accepted", and dropped, by reason: "dropped.signature".
func (d *Discovery) Counts() map[string]uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

// Wait waits until a node is known that a condition holds for; nil holds for any. It returns the address to try first. Errors
// canceled, deadline_exceeded of the context, discovery_failed when it is closed meanwhile.
func (d *Discovery) Wait(ctx context.Context, condition func(Peer) bool) (identity.Address, error) {
	for {
		d.mu.Lock()
		changed, peers := d.changed, d.table.list(time.Now())
		d.mu.Unlock()
		for _, peer := range peers {
			if condition == nil || condition(peer) {
				return identity.Address{ID: peer.ID, Host: peer.Addresses[0]}, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return identity.Address{}, status.FromError(ctx.Err())
		case <-d.done:
			return identity.Address{}, status.Fail("discovery_failed", "it is closed", nil)
		}
	}
}

// Close listens no more. Safe to call twice.
func (d *Discovery) Close() error {
	err := d.conn.Close()
	<-d.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
