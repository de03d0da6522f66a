package swarm

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	firstPause   = 500 * time.Millisecond
	lastPause    = time.Minute
	maxTries     = 3  // of a call that may be repeated
	maxAddresses = 16 // of those that provide something, tried for one connection
)

// backoff is the pause between attempts that fail.
type backoff struct {
	err   error
	pause time.Duration
	until time.Time
}

func (b *backoff) failed(err error) {
	b.err = err
	b.pause = min(max(2*b.pause, firstPause), lastPause)
	b.until = time.Now().Add(time.Duration(float64(b.pause) * (0.8 + 0.4*rand.Float64())))
}

func (b *backoff) succeeded() { *b = backoff{} }

func (b *backoff) left() time.Duration { return time.Until(b.until) }

// Peer is a peer of a Swarm, for generated clients: NewEchoServiceClient(peer). Safe for concurrent use.
type Peer struct {
	swarm *Swarm
	name  string
	find  func(context.Context) ([]identity.Address, error)

	mu    sync.Mutex
	conn  *rpc.Conn
	pause backoff
}

func (s *Swarm) newPeer(name string, find func(context.Context) ([]identity.Address, error)) *Peer {
	return &Peer{swarm: s, name: name, find: find}
}

func (s *Swarm) peerAt(address identity.Address) *Peer {
	return s.newPeer(address.String(), func(context.Context) ([]identity.Address, error) {
		return []identity.Address{address}, nil
	})
}

// Conn returns the connection to the peer, made when there is none. While a failure is recent it fails at once. Errors as
// dswarm.Dial.
func (p *Peer) Conn(ctx context.Context) (*rpc.Conn, error) {
	p.mu.Lock()
	conn, err, left := p.conn, p.pause.err, p.pause.left()
	p.mu.Unlock()
	if conn != nil && conn.IsUsable() {
		return conn, nil
	}
	if err != nil && left > 0 {
		return nil, err
	}
	conn, err = p.connect(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.conn = conn
		p.pause.succeeded()
	case ctx.Err() == nil: // else it is the caller who has no more time
		p.pause.failed(err)
	}
	return conn, err
}

func (p *Peer) connect(ctx context.Context) (*rpc.Conn, error) {
	addresses, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	err = status.Fail("unreachable", "nothing is known of "+p.name, nil)
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		var conn *rpc.Conn
		if conn, err = p.swarm.dial(ctx, address); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// Invoke makes a unary call. It is repeated without being asked only if no handler can have seen it (gRPC A6), or if the schema of its
// method says that it may be (idempotency_level).
func (p *Peer) Invoke(ctx context.Context, method string, args, reply any, opts ...rpc.CallOption) error {
	return p.try(ctx, method, func(conn *rpc.Conn) error { return conn.Invoke(ctx, method, args, reply, opts...) })
}

// NewStream opens a streaming call. That is repeated until the stream is open; what is sent on it is not.
func (p *Peer) NewStream(ctx context.Context, desc *rpc.MethodDesc, method string, opts ...rpc.CallOption) (stream rpc.ClientStream, err error) {
	err = p.try(ctx, "", func(conn *rpc.Conn) error {
		stream, err = conn.NewStream(ctx, desc, method, opts...)
		return err
	})
	return stream, err
}

func (p *Peer) try(ctx context.Context, method string, call func(*rpc.Conn) error) error {
	for tries := 1; ; tries++ {
		conn, err := p.Conn(ctx)
		if err != nil {
			return err
		}
		err = call(conn)
		isSafe := status.IsUnhandled(err) || status.CodeOf(err) == status.Unavailable && isIdempotent(method)
		if err == nil || !isSafe || tries == maxTries || ctx.Err() != nil {
			return err
		}
	}
}

// isIdempotent says whether the schema of a method, "package.Service/Method", marks it as one that may be repeated.
func isIdempotent(method string) bool {
	name := protoreflect.FullName(strings.Replace(method, "/", ".", 1))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return false
	}
	options, ok := found.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}
