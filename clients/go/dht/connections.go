package dht

import (
	"context"
	"slices"
	"sync"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

const maxConnections = 256

// connections are kept from one lookup to the next. Bounded by maxConnections; the oldest is closed for a new one.
type connections struct {
	opts   dswarm.Options
	limits *dialLimits
	ctx    context.Context // of dialing; ends with close
	cancel context.CancelFunc
	// dialOne makes a connection to an address.
	dialOne func(context.Context, identity.Address) (*rpc.Conn, error)
	group   sync.WaitGroup

	mu    sync.Mutex
	all   map[identity.NodeID]*connecting
	order []identity.NodeID // of all, the oldest first
}

// connecting is a connection, once ready is closed; or why there is none.
type connecting struct {
	ready chan struct{}
	conn  *rpc.Conn
	err   error
}

func (c *connecting) isReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

func (c *connecting) isUsable() bool { return !c.isReady() || c.err == nil && c.conn.IsUsable() }

func (c *connecting) close() {
	<-c.ready
	if c.err == nil {
		_ = c.conn.Close() // nobody is left to be told how it ended
	}
}

func newConnections(opts dswarm.Options) *connections {
	p := &connections{opts: opts, all: map[identity.NodeID]*connecting{}}
	p.limits = newDialLimits(p.isOpen, time.Now)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.dialOne = func(ctx context.Context, to identity.Address) (*rpc.Conn, error) {
		return dswarm.DialAddress(ctx, to, p.opts)
	}
	return p
}

// get returns the connection to a node, which it dials when there is none.
func (p *connections) get(ctx context.Context, to contact) (*rpc.Conn, error) {
	p.mu.Lock()
	if p.ctx.Err() != nil {
		p.mu.Unlock()
		return nil, status.Fail("link_closed", "", nil)
	}
	c := p.all[to.id]
	if c == nil || !c.isUsable() {
		p.forget(to.id)
		if len(p.order) >= maxConnections {
			oldest := p.all[p.order[0]]
			p.forget(p.order[0])
			p.group.Go(oldest.close)
		}
		c = &connecting{ready: make(chan struct{})}
		p.all[to.id], p.order = c, append(p.order, to.id)
		p.group.Go(func() {
			c.conn, c.err = p.dial(to)
			close(c.ready)
		})
	}
	p.mu.Unlock()
	select {
	case <-c.ready:
		return c.conn, c.err
	case <-ctx.Done():
		return nil, status.FromError(ctx.Err())
	}
}

// isOpen says whether there is a connection to a node that need not be waited for.
func (p *connections) isOpen(id identity.NodeID) bool {
	p.mu.Lock()
	c := p.all[id]
	p.mu.Unlock()
	return c != nil && c.isReady() && c.isUsable()
}

// forget leaves a connection out, without closing it. With the lock.
func (p *connections) forget(id identity.NodeID) {
	delete(p.all, id)
	if at := slices.Index(p.order, id); at >= 0 {
		p.order = slices.Delete(p.order, at, at+1)
	}
}

// dial tries a node's addresses in turn.
func (p *connections) dial(to contact) (conn *rpc.Conn, err error) {
	for _, address := range to.addresses {
		err = p.limits.dial(to.id, address, func() error {
			conn, err = p.dialOne(p.ctx, identity.Address{ID: to.id, Host: address})
			return err
		})
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// close ends all of them in order.
func (p *connections) close() {
	p.cancel()
	p.mu.Lock()
	for id, c := range p.all {
		delete(p.all, id)
		p.group.Go(c.close)
	}
	p.order = nil
	p.mu.Unlock()
	p.group.Wait()
}
