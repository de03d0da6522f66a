package rpc

import (
	"context"
	"io"
	"time"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/status"
)

// received is a whole message, the bytes that are counted for it, and the credit of its stream that is still to be given for it.
type received struct {
	message      []byte
	held, unpaid int
}

// stream is one call, at either end. Its fields are guarded by the connection's lock.
type stream struct {
	conn     *Conn
	id       uint32
	isCaller bool
	isSingle bool // at most one message is to come
	ctx      context.Context
	cancel   context.CancelCauseFunc // of a handler, or nil
	goAway   error                   // what the peer said before the connection broke

	notify  chan struct{} // capacity 1: something has come
	queue   []received
	count   int // whole messages that came
	partial []byte
	isOpen  bool // a message is incomplete
	cost    int  // of its pieces
	unpaid  int  // of that, for which no credit was given
	kept    int  // bytes of messages that were taken, counted until the call is over
	asks    bool // the consumer waits for a message
	// isAssembled says whether the budget counts the incomplete message as awaited.
	isAssembled bool
	owed        int  // credit to give
	raised      int  // by which the window has grown
	window      int  // what the peer may send
	isHalf      bool // no message is to come
	header      metadata.MD
	trailer     metadata.MD
	isOver      bool
	err         error // with isOver; nil is success

	sent       chan struct{} // capacity 1: the message is on its way, or the stream is over
	pending    []byte
	hasPending bool
	isQueued   bool // in the ring
	credit     int  // what may be sent
	isHalfSent bool
}

func newStream(c *Conn, id uint32, isCaller, isSingle bool, ctx context.Context) *stream {
	return &stream{
		conn: c, id: id, isCaller: isCaller, isSingle: isSingle, ctx: ctx,
		notify: make(chan struct{}, 1), sent: make(chan struct{}, 1), window: streamCredit, credit: streamCredit,
	}
}

func signalTo(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

func (s *stream) wakeSender() { signalTo(s.sent) }

// finish ends the stream for its users; what came whole before a success or an error of the callee can still be read.
func (s *stream) finish(err error) {
	if s.isOver {
		return
	}
	s.isOver, s.err = true, err
	if s.goAway != nil && err != nil && status.FromError(err).Reason != "" {
		s.err = s.goAway
	}
	s.holdPending(-len(s.pending))
	s.hasPending, s.pending = false, nil
	s.dropPartial()
	s.conn.budget.returnWindow(s)
	if s.isCaller {
		s.letGo()
	} else {
		delete(s.conn.incomplete, s)
		s.dropQueue()
	}
	signalTo(s.notify)
	signalTo(s.sent)
	if s.cancel != nil {
		s.cancel(causeOf(err))
	}
}

// causeOf is what context.Cause says to a handler whose call has ended: context.DeadlineExceeded where the caller's deadline has passed.
func causeOf(err error) error {
	if err != nil && status.FromError(err).Code == status.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

func (s *stream) dropPartial() {
	if !s.isOpen {
		return
	}
	s.conn.budget.discard(s)
	s.hold(-s.cost)
	s.partial, s.cost, s.unpaid, s.isOpen = nil, 0, 0, false
}

func (s *stream) dropQueue() {
	for _, r := range s.queue {
		s.hold(-r.held)
	}
	s.queue = nil
}

// hold counts bytes that were received.
func (s *stream) hold(bytes int) {
	if s.isCaller {
		s.conn.holdUnread(bytes)
	} else {
		s.conn.holdReceived(bytes)
	}
}

// letGo counts the messages that were taken no more.
func (s *stream) letGo() {
	if s.kept > 0 {
		s.hold(-s.kept)
		s.kept = 0
	}
}

// holdPending counts bytes of an answer that waits to be sent. Requests of this end are the program's own.
func (s *stream) holdPending(bytes int) {
	if !s.isCaller {
		s.conn.holdUnsent(bytes)
	}
}

// breakOff ends the stream, and tells the peer.
func (s *stream) breakOff(err *status.Error) {
	if s.isCaller {
		s.conn.send(cancelFrame(s.id, err.Code))
	} else {
		s.conn.send(endFrame(s.id, err, nil, nil, nil))
	}
	s.conn.remove(s, err)
}

// cancelFrame gives up a call that has ended here with a code; 0 stands for canceled.
func cancelFrame(id uint32, code status.Code) *pb.Frame {
	if code == status.Canceled {
		code = 0
	}
	return &pb.Frame{StreamId: id, Body: &pb.Frame_Cancel{Cancel: &pb.Cancel{Code: uint32(code)}}}
}

// refuse ends the stream for a fault of the peer, and counts the fault.
func (s *stream) refuse(err *status.Error) {
	s.breakOff(err)
	s.conn.faults.count()
}

func (s *stream) handleData(data *pb.Data, cost int) {
	c := s.conn
	switch {
	case s.isHalf:
		s.refuse(status.Fail("frame_invalid", "data after the half-close", nil))
		return
	case data.GetMore() && len(data.GetPayload()) == 0:
		// Taken, a peer could send pieces without end.
		s.refuse(status.Fail("frame_invalid", "an empty piece", nil))
		return
	case s.isSingle && s.count > 0:
		s.refuse(status.Fail("frame_invalid", "more than one message of a unary call", nil))
		return
	case len(s.partial)+len(data.GetPayload()) > c.opts.MaxMessageBytes:
		tooLarge := status.TooLarge
		if data.GetMore() {
			tooLarge = status.TooLargeSoFar
		}
		s.refuse(tooLarge("message_too_large", len(s.partial)+len(data.GetPayload()), c.opts.MaxMessageBytes))
		return
	}
	if !data.GetMore() && !s.isOpen {
		s.push(received{data.GetPayload(), cost, cost})
		return
	}
	s.partial = append(s.partial, data.GetPayload()...)
	s.hold(cost)
	s.cost += cost
	s.unpaid += cost
	s.isOpen = true
	c.budget.assemble(s, cost)
	if data.GetMore() {
		s.goesOn()
		return
	}
	whole := received{s.partial, s.cost, s.unpaid}
	s.dropPartial()
	s.push(whole)
}

// goesOn notes progress of a request that is incomplete.
func (s *stream) goesOn() {
	if !s.isCaller {
		s.conn.incomplete[s] = time.Time{}
	}
}

// push queues a whole message for the consumer.
func (s *stream) push(whole received) {
	s.queue = append(s.queue, whole)
	s.count++
	s.hold(whole.held)
	if !s.isCaller {
		if s.isSingle && !s.isHalf {
			s.goesOn()
		} else {
			delete(s.conn.incomplete, s)
		}
	}
	signalTo(s.notify)
}

// isAwaited says whether the consumer waits for the message that is incomplete or comes next: always for a unary one and for the first
// of an answer, else when it asks.
func (s *stream) isAwaited() bool {
	return len(s.queue) == 0 && (s.asks || s.isSingle || s.isCaller && s.count == 0)
}

// givePieces gives credit for what has come of a message.
func (s *stream) givePieces() {
	unpaid := s.unpaid
	s.unpaid = 0
	s.give(unpaid)
}

// give owes the peer credit, and sends it when a quarter of the window is due.
func (s *stream) give(bytes int) {
	if bytes == 0 || s.isOver || s.isHalf {
		return
	}
	s.owed += bytes
	if s.raised == 0 {
		s.raised = s.conn.budget.takeWindow()
		s.owed += s.raised
	}
	if s.owed*4 < streamCredit+s.raised {
		return
	}
	s.window += s.owed
	s.conn.send(&pb.Frame{StreamId: s.id, Body: &pb.Frame_Credit{Credit: &pb.Credit{Bytes: uint32(s.owed)}}})
	s.owed = 0
}

func (s *stream) handleHalfClose() {
	if s.isHalf || s.isOpen {
		s.refuse(status.Fail("frame_invalid", "a half-close within a message, or a second one", nil))
		return
	}
	s.isHalf = true
	delete(s.conn.incomplete, s)
	signalTo(s.notify)
}

func (s *stream) handleHeader(entries []*pb.Metadata) {
	if s.header != nil || s.count > 0 || s.isOpen {
		s.refuse(status.Fail("frame_invalid", "a second header, or one after data", nil))
		return
	}
	md, err := metadata.FromWire(entries)
	if err != nil {
		s.refuse(status.FromError(err))
		return
	}
	s.header = md
	signalTo(s.notify)
}

func (s *stream) handleEnd(end *pb.End) {
	var bad *status.Error
	header, err := metadata.FromWire(end.GetHeader())
	if err != nil {
		bad = status.FromError(err)
	}
	trailer, err := metadata.FromWire(end.GetTrailer())
	if err != nil {
		bad = status.FromError(err)
	}
	switch {
	case bad != nil:
	case len(end.GetHeader()) > 0 && (s.header != nil || s.count > 0 || s.isOpen):
		bad = status.Fail("frame_invalid", "a second header", nil)
	case end.GetCode() == 0 && s.isOpen:
		bad = status.Fail("frame_invalid", "a success within a message", nil)
	case end.Response != nil && end.GetCode() == 0 && s.isSingle && s.count > 0:
		bad = status.Fail("frame_invalid", "more than one message of a unary call", nil)
	case len(end.GetResponse()) > maxPieceBytes:
		bad = overPiece(end.GetResponse())
	case len(end.GetResponse()) > s.conn.opts.MaxMessageBytes:
		bad = status.TooLarge("message_too_large", len(end.GetResponse()), s.conn.opts.MaxMessageBytes)
	}
	if bad != nil {
		s.conn.remove(s, bad)
		s.conn.faults.count()
		return
	}
	if s.header == nil {
		s.header = header
	}
	s.trailer = trailer
	if end.Response != nil && end.GetCode() == 0 {
		s.push(received{message: end.GetResponse(), held: len(end.GetResponse()) + dataCost})
	}
	if end.GetCode() != 0 {
		code := status.Code(end.GetCode())
		if code > status.Unauthenticated {
			code = status.Unknown
		}
		s.conn.remove(s, &status.Error{Code: code, Message: end.GetMessage(), Details: end.GetDetails()})
		return
	}
	s.conn.remove(s, nil)
}

// overPiece is what is wrong with a message of an open or an end that belongs in data frames.
func overPiece(message []byte) *status.Error {
	return status.Fail("frame_invalid", "a message over its size in a frame: "+status.OverLimit(len(message), maxPieceBytes), nil)
}

// receive returns the next message; io.EOF when no more is to come and, for a caller, the call has succeeded.
func (s *stream) receive() ([]byte, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { s.asks = false }()
	for {
		if len(s.queue) > 0 && (s.err == nil || status.FromError(s.err).Reason == "") {
			return s.pop(), nil
		}
		switch {
		case s.isOver && s.err != nil:
			s.dropQueue()
			return nil, s.err
		case s.isOver, s.isHalf && !s.isCaller:
			return nil, io.EOF
		}
		s.asks = true
		if s.isOpen {
			c.budget.await(s)
		}
		if err := s.wait(s.notify); err != nil {
			return nil, err
		}
	}
}

func (s *stream) pop() []byte {
	r := s.queue[0]
	s.queue[0] = received{}
	s.queue = s.queue[1:]
	if s.isSingle && !s.isOver {
		s.kept += r.held
	} else {
		s.hold(-r.held)
	}
	s.give(r.unpaid)
	if s.isOpen && s.isAwaited() {
		s.conn.budget.await(s)
	}
	return r.message
}

// wait waits for a signal or the end of the stream's context, which cancels a caller's call. With the lock, given up meanwhile.
func (s *stream) wait(signal <-chan struct{}) error {
	s.conn.mu.Unlock()
	defer s.conn.mu.Lock()
	select {
	case <-signal:
		return nil
	case <-s.ctx.Done():
		if s.isCaller {
			return s.abandon(s.ctx.Err())
		}
		return status.FromError(s.ctx.Err())
	}
}

// abandon cancels a caller's call, and returns how it ends. Without the lock.
func (s *stream) abandon(cause error) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	err := status.FromError(cause)
	if !s.isOver {
		s.breakOff(err)
	}
	if s.err == nil && len(s.queue) > 0 {
		s.err = err // what is dropped unread is no success
	}
	s.dropQueue()
	if s.err != nil {
		return s.err
	}
	return err
}

// sendMessage sends a message, in pieces. io.EOF says that the call is over: receiving says how.
func (s *stream) sendMessage(message []byte) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(message) > c.opts.MaxMessageBytes {
		return status.TooLarge("message_too_large", len(message), c.opts.MaxMessageBytes)
	}
	if s.isHalfSent {
		return status.Errorf(status.Internal, "the sending side is closed")
	}
	if s.isOver {
		return io.EOF
	}
	select {
	case <-s.sent: // of the message before, if it was interrupted
	default:
	}
	s.pending, s.hasPending, s.isQueued = message, true, true
	s.holdPending(len(message))
	c.ring = append(c.ring, s)
	c.signal()
	for s.hasPending && !s.isOver {
		if err := s.wait(s.sent); err != nil {
			return err
		}
	}
	if s.isOver {
		return io.EOF
	}
	return nil
}

func (s *stream) halfClose() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.isHalfSent && !s.isOver {
		s.conn.send(&pb.Frame{StreamId: s.id, Body: &pb.Frame_HalfClose{HalfClose: &pb.HalfClose{}}})
	}
	s.isHalfSent = true
}
