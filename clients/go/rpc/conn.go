package rpc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/dswarm/dswarm/clients/go/frame"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

// Conn is a connection to a peer. Both ends call and serve. Safe for concurrent use.
type Conn struct {
	link   Link
	opts   Options
	ctx    context.Context // of handlers; ends with the connection
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // capacity 1: there is something to write

	mu           sync.Mutex
	err          error // why the connection is over
	streams      map[uint32]*stream
	nextID       uint32
	lastRemoteID uint32
	handlers     int
	draining     bool // no calls are opened any more
	refusing     bool // what the peer opens is ignored
	drainPing    uint32

	out          []byte        // frames to write
	space        chan struct{} // closed when out has been taken
	closeAfter   error         // end with it when out is written
	writingSince time.Time     // zero when nothing is being written
	credit       int           // what may be sent
	ring         []*stream     // with a message to send, in turn
	stalled      bool          // the ring waits for credit of the connection
	stalledSince time.Time     // zero when it does not

	window      int // what the peer may send
	owed        int // credit to give
	budget      receiveBudget
	memory      *Memory
	received    int     // bytes of the peer's calls
	unsent      int     // bytes of frames and answers that the network has not taken
	unread      int     // bytes of answers that this program has not taken
	told        account // what memory knows of these
	faults      faultBudget
	incomplete  map[*stream]time.Time // requests of the peer, and when they last went on; zero is since the last look
	lastByte    time.Time
	lastCall    time.Time
	probedAt    time.Time // zero when no probe is under way
	pingID      uint32
	pongs       map[uint32]chan struct{}
	goodbyeSent bool
	closeOnce   sync.Once
}

// NewConn runs the RPC layer on a link. The connection owns the link.
func NewConn(link Link, opts Options) *Conn {
	opts = opts.withDefaults()
	c := &Conn{
		link: link, opts: opts, memory: opts.Memory, faults: newFaultBudget(opts),
		budget: receiveBudget{
			memory: opts.Memory, pool: opts.WindowPoolBytes, raise: opts.StreamWindowBytes - streamCredit, maxAssembling: opts.MaxAssemblingBytes,
		},
		done: make(chan struct{}), wake: make(chan struct{}, 1), space: make(chan struct{}),
		incomplete: map[*stream]time.Time{},
		streams:    map[uint32]*stream{}, pongs: map[uint32]chan struct{}{},
		credit: connectionCredit, window: connectionCredit, nextID: 2,
	}
	if link.IsDialer() {
		c.nextID = 1
	}
	c.lastByte, c.lastCall = time.Now(), time.Now()
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.memory.open(c)
	go c.readLoop()
	go c.writeLoop()
	go c.watch()
	return c
}

// RemoteID is the peer's key, which the handshake has proven.
func (c *Conn) RemoteID() identity.NodeID { return c.link.RemoteID() }

// Done is closed when the connection is over.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection is over: nil before that, and after an end that was planned at either side.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, errClosed) {
		return nil
	}
	return c.err
}

// IsUsable says whether calls can be opened.
func (c *Conn) IsUsable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && !c.draining
}

// errClosed is the end of a connection that was planned.
var errClosed = status.Fail("link_closed", "", nil)

// Ping asks the peer for a sign of life of its connection, and returns the round-trip time.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	c.mu.Lock()
	pong := c.ping()
	id := c.pingID
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pongs, id)
		c.mu.Unlock()
	}()
	select {
	case <-pong:
		return time.Since(start), nil
	case <-ctx.Done():
		return 0, status.FromError(ctx.Err())
	case <-c.done:
		return 0, c.endError()
	}
}

// ping sends a ping and returns what is closed by its pong. With the lock.
func (c *Conn) ping() <-chan struct{} {
	c.pingID++
	pong := make(chan struct{})
	c.pongs[c.pingID] = pong
	c.send(&pb.Frame{Body: &pb.Frame_Ping{Ping: &pb.Ping{Id: c.pingID}}})
	return pong
}

func (c *Conn) endError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return errClosed
	}
	return c.err
}

// Close ends the connection in order: it opens no more calls, lets those in flight finish for Options.DrainTimeout, and says
// goodbye. It returns when the connection is over.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		c.draining = true
		c.send(&pb.Frame{Body: &pb.Frame_GoAway{GoAway: &pb.GoAway{LastStreamId: lastStream}}})
		pong := c.ping()
		c.drainPing = c.pingID
		c.mu.Unlock()
		timeout := time.NewTimer(max(0, c.opts.DrainTimeout))
		defer timeout.Stop()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for start := time.Now(); !c.isQuiet(pong, start); {
			select {
			case <-tick.C:
				continue
			case <-timeout.C:
			case <-c.done:
			}
			break
		}
		c.mu.Lock()
		c.endAfterWrite(errClosed)
		c.mu.Unlock()
	})
	<-c.done
	return c.Err()
}

// isQuiet says whether the peer knows that the connection ends, or does not answer, and no call is left. Once it does, what it opens
// is ignored, and a second go-away says so.
func (c *Conn) isQuiet(pong <-chan struct{}, start time.Time) bool {
	select {
	case <-pong:
	default:
		if time.Since(start) < maxDrainPong {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse()
	return len(c.streams) == 0 && c.handlers == 0
}

// refuse ignores what the peer opens from now on, and tells it so. With the lock.
func (c *Conn) refuse() {
	if !c.refusing {
		c.refusing = true
		c.send(&pb.Frame{Body: &pb.Frame_GoAway{GoAway: &pb.GoAway{LastStreamId: c.lastRemoteID}}})
	}
}

// fail ends the connection at once. Without the lock.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	for id, st := range c.streams {
		delete(c.streams, id)
		st.finish(err)
	}
	c.ring = nil
	close(c.space)
	c.mu.Unlock()
	c.memory.close(c)
	c.cancel()
	_ = c.link.Close() // what it reports has been found out otherwise
	close(c.done)
}

// endAfterWrite writes what is queued, and a goodbye where the end is planned, then ends: as cut where that is not answered by one.
// With the lock.
func (c *Conn) endAfterWrite(err error) {
	if c.closeAfter != nil || c.err != nil {
		return
	}
	c.closeAfter = err
	c.signal()
	late := err
	if errors.Is(err, errClosed) {
		late = status.Fail("link_truncated", "the other end said no goodbye", nil)
	}
	time.AfterFunc(goodbyeTimeout, func() { c.fail(late) })
}

// fault ends the connection for a peer that broke the protocol, and tells it. With the lock.
func (c *Conn) fault(reason, message string) error {
	return c.faultOf(status.Fail(reason, message, nil))
}

// faultOf is fault with an error that is there already. With the lock.
func (c *Conn) faultOf(err *status.Error) error {
	c.breakOff(status.Internal, err)
	return err
}

// breakOff ends the connection, and tells the peer why. With the lock.
func (c *Conn) breakOff(code status.Code, err *status.Error) {
	c.draining = true
	c.send(&pb.Frame{Body: &pb.Frame_GoAway{GoAway: &pb.GoAway{
		LastStreamId: c.lastRemoteID, Code: uint32(code), Message: err.Message,
	}}})
	c.endAfterWrite(err)
}

// send queues a frame of the connection or the end of a stream; it never waits. With the lock.
func (c *Conn) send(f *pb.Frame) {
	if c.err != nil || c.closeAfter != nil {
		return
	}
	out, err := frame.Append(c.out, f)
	if err != nil {
		// Nothing that is sent is that large: messages, metadata and texts have bounds. Details may be.
		f = &pb.Frame{StreamId: f.GetStreamId(), Body: &pb.Frame_End{End: &pb.End{
			Code: uint32(status.Internal), Message: "the answer does not fit in a frame",
		}}}
		out, _ = frame.Append(c.out, f)
	}
	c.holdUnsent(len(out) - len(c.out))
	c.out = out
	if len(c.out) > c.opts.MaxQueuedBytes {
		go c.fail(status.Fail("peer_too_slow", "", nil))
		return
	}
	c.signal()
}

func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// waitSpace waits until the outbox has room. With the lock, which it gives up meanwhile.
func (c *Conn) waitSpace(done <-chan struct{}) {
	for len(c.out) > outboxSoftBytes && c.err == nil {
		space := c.space
		c.mu.Unlock()
		select {
		case <-space:
		case <-done:
			c.mu.Lock()
			return
		}
		c.mu.Lock()
	}
}

func (c *Conn) writeLoop() {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.done:
			return
		}
		// Let those who are ready add to what is written in one go.
		runtime.Gosched()
		for {
			c.mu.Lock()
			if c.err != nil {
				c.mu.Unlock()
				return
			}
			c.pump()
			out, end := c.out, c.closeAfter
			c.out = spare[:0]
			close(c.space)
			c.space = make(chan struct{})
			c.writingSince = time.Now()
			c.goodbyeSent = end != nil
			c.mu.Unlock()
			counted, err := c.write(out)
			if err != nil {
				c.fail(status.Fail("link_truncated", "the connection broke off", err))
				return
			}
			if end != nil {
				if !errors.Is(end, errClosed) {
					_ = c.link.Close() // after a fault there is no goodbye
					return
				}
				if err := c.link.Goodbye(); err != nil {
					c.fail(end)
				}
				return // the reader, or the timer of endAfterWrite, ends the connection
			}
			c.mu.Lock()
			c.holdUnsent(-counted)
			c.writingSince = time.Time{}
			isIdle := len(c.out) == 0 && (len(c.ring) == 0 || c.stalled)
			c.mu.Unlock()
			if cap(out) <= 4*outboxSoftBytes {
				spare = out
			} else {
				spare = nil
			}
			if isIdle {
				break
			}
		}
	}
}

// write writes frames, and notes that they go on. It returns how many bytes of them are still counted. Without the lock.
func (c *Conn) write(out []byte) (int, error) {
	for len(out) > writeBytes {
		if _, err := c.link.Write(out[:writeBytes]); err != nil {
			return len(out), err
		}
		out = out[writeBytes:]
		c.mu.Lock()
		c.holdUnsent(-writeBytes)
		c.writingSince = time.Now()
		c.mu.Unlock()
	}
	if len(out) == 0 {
		return 0, nil
	}
	_, err := c.link.Write(out)
	return len(out), err
}

// watch probes a silent peer, gives up one that does not read, ends requests that stay incomplete, and closes an idle connection.
func (c *Conn) watch() {
	idle := c.opts.IdleTimeout
	if idle <= 0 {
		idle = unlimitedDuration
	}
	tick := max(time.Millisecond, min(time.Second, c.opts.KeepaliveInterval/8, c.opts.KeepaliveTimeout/8,
		c.opts.RequestTimeout/8, c.opts.WriteTimeout/8, idle/12))
	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-timer.C:
		}
		now := time.Now()
		c.mu.Lock()
		var err error
		switch {
		case !c.writingSince.IsZero() && now.Sub(c.writingSince) > c.opts.WriteTimeout:
			err = status.Fail("peer_too_slow", "nothing is written any more", nil)
		case c.isStalled() && now.Sub(c.stalledSince) > c.opts.WriteTimeout:
			err = status.Fail("peer_too_slow", "it gives no credit any more", nil)
		case !c.probedAt.IsZero() && now.Sub(c.probedAt) >= c.opts.KeepaliveTimeout:
			err = status.Fail("keepalive_timeout", "", nil)
		case c.probedAt.IsZero() && now.Sub(c.lastByte) >= c.opts.KeepaliveInterval:
			c.probedAt = now
			c.ping()
			delete(c.pongs, c.pingID) // any byte is a sign of life: who sends others must not leave a pong here for each probe
		}
		c.endIncomplete(now)
		if len(c.streams) > 0 || c.handlers > 0 {
			c.lastCall = now
		}
		unused, isServing := now.Sub(c.lastCall), c.opts.Server.hasServices()
		isIdle := c.opts.IdleTimeout > 0 && !isServing && unused > c.opts.IdleTimeout && !c.draining
		if c.opts.IdleTimeout > 0 && isServing && unused > c.opts.IdleTimeout/3 && !c.draining {
			c.lastCall = now
			go c.use()
		}
		// A dead peer is found after the sum of interval and timeout, and not up to two ticks later.
		dueAt := c.lastByte.Add(c.opts.KeepaliveInterval)
		if !c.probedAt.IsZero() {
			dueAt = c.probedAt.Add(c.opts.KeepaliveTimeout)
		}
		timer.Reset(min(tick, max(0, dueAt.Sub(now))))
		c.mu.Unlock()
		if err != nil {
			c.fail(err)
		} else if isIdle {
			go c.Close()
		}
	}
}

// use asks the peer's health, which every node tells, so that both ends count a call: nobody can dial this end, and what it serves
// is to stay.
func (c *Conn) use() {
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.KeepaliveTimeout)
	defer cancel()
	_ = c.Invoke(ctx, "grpc.health.v1.Health/Check", &emptypb.Empty{}, &emptypb.Empty{}) // whatever it answers
}

// isStalled says whether messages wait for credit of the connection. With the lock.
func (c *Conn) isStalled() bool {
	if c.stalledSince.IsZero() {
		return false
	}
	if slices.ContainsFunc(c.ring, func(st *stream) bool { return st.hasPending }) {
		return true
	}
	c.stalledSince = time.Time{}
	return false
}

// endIncomplete ends the calls of the peer whose request stays incomplete. With the lock.
func (c *Conn) endIncomplete(now time.Time) {
	for st, since := range c.incomplete {
		switch {
		case since.IsZero() || st.window < minPieceBytes+dataCost: // without credit, it is this end that holds it up
			c.incomplete[st] = now
		case now.Sub(since) > c.opts.RequestTimeout:
			st.breakOff(status.Fail("request_timeout", "", nil))
		}
	}
}

// heard notes every byte of the peer.
type heard struct{ c *Conn }

func (h heard) Read(p []byte) (int, error) {
	n, err := h.c.link.Read(p)
	if n > 0 {
		h.c.mu.Lock()
		h.c.lastByte, h.c.probedAt = time.Now(), time.Time{}
		h.c.mu.Unlock()
	}
	return n, err
}

func (c *Conn) readLoop() {
	frames := frame.NewReader(heard{c})
	for {
		f, err := frames.Read()
		if err == nil {
			c.mu.Lock()
			if c.closeAfter != nil && !errors.Is(c.closeAfter, errClosed) {
				err = c.closeAfter // a fault has been found: the rest is not looked at
			} else {
				err = c.handle(f)
				if err == nil {
					err = c.endForFaults()
				}
			}
			c.mu.Unlock()
			if err != nil {
				_, _ = io.Copy(io.Discard, c.link) // until the timer or the peer ends it: the peer should read why
				c.fail(err)
				return
			}
			continue
		}
		c.mu.Lock()
		planned, isFault := c.closeAfter, false
		switch {
		case errors.Is(err, io.EOF):
			err = errClosed
			c.endAfterWrite(errClosed)
		case errors.Is(err, frame.ErrInvalid):
			err, isFault = c.fault("frame_invalid", "a frame that does not decode"), true
		case errors.Is(err, frame.ErrTooLarge):
			err, isFault = c.faultOf(status.FromError(err)), true
		default:
			err = linkError(err)
		}
		if planned != nil && !errors.Is(planned, errClosed) {
			err = planned
		}
		isWritten := c.goodbyeSent
		c.mu.Unlock()
		if isFault {
			_, _ = io.Copy(io.Discard, c.link) // as above
		} else if !isWritten && errors.Is(err, errClosed) {
			// Give the writer a moment for its goodbye; endAfterWrite bounds it.
			c.awaitGoodbye()
		}
		c.fail(err)
		return
	}
}

// awaitGoodbye returns when the goodbye is written, or the connection is over.
func (c *Conn) awaitGoodbye() {
	for {
		select {
		case <-c.done:
			return
		case <-time.After(time.Millisecond):
		}
		c.mu.Lock()
		isWritten := c.goodbyeSent && len(c.out) == 0
		c.mu.Unlock()
		if isWritten {
			time.Sleep(time.Millisecond) // the write itself
			return
		}
	}
}

// linkError is why a link broke off, as docs/errors.md names it.
func linkError(err error) error {
	if status.ReasonOf(err) != "" {
		return status.FromError(err)
	}
	return status.Fail("link_truncated", "", err)
}
