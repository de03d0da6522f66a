// Package swarm is a client of a network: it reaches peers by address, by key alone or by what they serve, and connects again when
// a connection ends.
//
//	Peer(address) ────────────────────┐
//	Peer(key) ── looked up in the DHT ┼─► Peer: its connection, made anew when it is needed ──► calls
//	Provider(service) ── likewise ────┘
package swarm

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/dht"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// Swarm is a client of a network. Safe for concurrent use.
type Swarm struct {
	opts      dswarm.Options
	bootstrap []identity.Address
	dht       *dht.Client
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	keepers   sync.WaitGroup

	mu    sync.Mutex
	conns map[identity.NodeID]*connecting // one for each node: a node keeps only the newest of a key
}

// connecting is a connection, once ready is closed; or why there is none.
type connecting struct {
	ready chan struct{}
	conn  *rpc.Conn
	err   error
}

func (c *connecting) mayBeUsable() bool {
	select {
	case <-c.ready:
		return c.err == nil && c.conn.IsUsable()
	default:
		return true
	}
}

// New makes a client that begins with the nodes at "dswarm://KEY@HOST:PORT". It dials when it is used. opts are those of its connections:
// what opts.RPC.Server serves is served on each. Without keys it takes new ones. Errors address_invalid, node_id_invalid.
func New(bootstrap []string, opts dswarm.Options) (*Swarm, error) {
	if opts.Keys == nil {
		opts.Keys = identity.GenerateKeys()
	}
	client, err := dht.NewClient(bootstrap, opts)
	if err != nil {
		return nil, err
	}
	s := &Swarm{opts: opts, dht: client, conns: map[identity.NodeID]*connecting{}}
	for _, text := range bootstrap {
		address, err := identity.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		s.bootstrap = append(s.bootstrap, address)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	client.DialBy(s.dial)
	return s, nil
}

// DHT is the client of the network's DHT, on the same connections.
func (s *Swarm) DHT() *dht.Client { return s.dht }

// Peer returns a peer by "dswarm://KEY@HOST:PORT", or by its key alone. It dials when it is called. Errors address_invalid,
// node_id_invalid.
func (s *Swarm) Peer(who string) (*Peer, error) {
	if strings.Contains(who, "://") {
		address, err := identity.ParseAddress(who)
		if err != nil {
			return nil, err
		}
		return s.peerAt(address), nil
	}
	id, err := identity.ParseNodeID(who)
	if err != nil {
		return nil, err
	}
	return s.newPeer(who, func(ctx context.Context) ([]identity.Address, error) {
		hosts, err := s.dht.FindPeer(ctx, id)
		var addresses []identity.Address
		for _, host := range hosts {
			addresses = append(addresses, identity.Address{ID: id, Host: host})
		}
		return addresses, err
	}), nil
}

// Provider returns any peer that provides a service, found in the DHT by its type name, "package.Service".
func (s *Swarm) Provider(service string) *Peer {
	return s.newPeer(service, func(ctx context.Context) ([]identity.Address, error) {
		found, err := s.dht.FindProviders(ctx, identity.KeyOfName(service))
		// Not all clients are to call the same one.
		rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		var addresses []identity.Address
		for _, provider := range found {
			for _, host := range provider.Addresses {
				addresses = append(addresses, identity.Address{ID: provider.ID, Host: host})
			}
		}
		return addresses, err
	})
}

// Serve keeps a connection to each node of the bootstrap, on which it serves: when one ends, it dials again, after a pause that doubles
// from 0.5 s to 60 s. It returns when all were tried once; ctx bounds that.
func (s *Swarm) Serve(ctx context.Context) error {
	tried := make(chan struct{}, len(s.bootstrap))
	for _, address := range s.bootstrap {
		s.keepers.Go(func() { s.keep(address, func() { tried <- struct{}{} }) })
	}
	for range s.bootstrap {
		select {
		case <-tried:
		case <-ctx.Done():
			return status.FromError(ctx.Err())
		}
	}
	return nil
}

func (s *Swarm) keep(address identity.Address, tried func()) {
	tried = sync.OnceFunc(tried)
	pause := backoff{}
	for s.ctx.Err() == nil {
		conn, err := s.dial(s.ctx, address)
		tried()
		if err == nil {
			pause.succeeded()
			select {
			case <-conn.Done():
			case <-s.ctx.Done():
			}
			continue
		}
		pause.failed(err)
		select {
		case <-time.After(pause.left()):
		case <-s.ctx.Done():
		}
	}
}

// IsServing says whether there is a connection to each node of the bootstrap.
func (s *Swarm) IsServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, address := range s.bootstrap {
		c := s.conns[address.ID]
		if c == nil || !c.mayBeUsable() {
			return false
		}
		select {
		case <-c.ready:
		default:
			return false
		}
	}
	return true
}

// Close closes all connections.
func (s *Swarm) Close() error {
	s.cancel()
	s.keepers.Wait()
	s.mu.Lock()
	conns := s.conns
	s.conns = map[identity.NodeID]*connecting{}
	s.mu.Unlock()
	var group sync.WaitGroup
	for _, c := range conns {
		group.Go(func() {
			<-c.ready
			if c.err == nil {
				_ = c.conn.Close() // nobody is left to be told how it ended
			}
		})
	}
	group.Wait()
	return s.dht.Close()
}

// dial returns the connection to a node, made at an address when there is none.
func (s *Swarm) dial(ctx context.Context, to identity.Address) (*rpc.Conn, error) {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil, status.Fail("link_closed", "", nil)
	}
	c := s.conns[to.ID]
	if c == nil || !c.mayBeUsable() {
		for id, other := range s.conns {
			if !other.mayBeUsable() {
				delete(s.conns, id)
			}
		}
		c = &connecting{ready: make(chan struct{})}
		s.conns[to.ID] = c
		go func() {
			c.conn, c.err = dswarm.DialAddress(s.ctx, to, s.opts)
			close(c.ready)
		}()
	}
	s.mu.Unlock()
	select {
	case <-c.ready:
		return c.conn, c.err
	case <-ctx.Done():
		return nil, status.FromError(ctx.Err())
	}
}
