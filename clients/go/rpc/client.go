package rpc

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/status"
)

// ClientConnInterface is what generated clients call through.
type ClientConnInterface interface {
	// Invoke makes a unary call; args and reply are proto.Message.
	Invoke(ctx context.Context, method string, args, reply any, opts ...CallOption) error
	// NewStream opens a streaming call. ctx ends it: cancel it, or receive until an error.
	NewStream(ctx context.Context, desc *MethodDesc, method string, opts ...CallOption) (ClientStream, error)
}

// CallOption is an option of one call.
type CallOption func(*callOptions)

type callOptions struct {
	header, trailer *metadata.MD
	maxAnswerBytes  int // 0: that of the connection alone
}

// MaxAnswerBytes bounds the answer of a unary call further than Options.MaxMessageBytes: a longer one fails the call with
// message_too_large, and is not decoded. For callees that are not trusted, as few bytes may stand for many repeated fields.
func MaxAnswerBytes(bytes int) CallOption { return func(o *callOptions) { o.maxAnswerBytes = bytes } }

// Header stores the response metadata of a unary call, or of a stream whose end was received.
func Header(md *metadata.MD) CallOption { return func(o *callOptions) { o.header = md } }

// Trailer stores the response trailers, likewise.
func Trailer(md *metadata.MD) CallOption { return func(o *callOptions) { o.trailer = md } }

func (o callOptions) store(s *stream) {
	if o.header == nil && o.trailer == nil {
		return
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if o.header != nil {
		*o.header = s.header
	}
	if o.trailer != nil {
		*o.trailer = s.trailer
	}
}

// open opens a stream. message is nil when it follows in data frames.
func (c *Conn) open(ctx context.Context, method string, desc *MethodDesc, message []byte) (*stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, status.FromError(err)
	}
	open := &pb.Open{Method: method}
	if message != nil {
		open.Message, open.HalfClose = message, true
	}
	if len(method) > maxMethodBytes {
		return nil, status.Errorf(status.InvalidArgument, "a method name over the size limit: %s", status.OverLimit(len(method), maxMethodBytes))
	}
	if deadline, ok := ctx.Deadline(); ok {
		open.TimeoutMs = timeoutMs(time.Until(deadline))
	}
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		entries, err := metadata.ToWire(md)
		if err != nil {
			return nil, err
		}
		open.Metadata = entries
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitSpace(ctx.Done())
	switch {
	case ctx.Err() != nil:
		return nil, status.FromError(ctx.Err())
	case c.err != nil:
		return nil, status.FromError(c.err).AsUnhandled()
	case c.draining || c.nextID > lastStream:
		return nil, errClosed.AsUnhandled()
	case c.memory.isUnreadFull.Load():
		return nil, status.Fail("memory_exhausted", "answers are to be read before more is asked for", nil)
	}
	st := newStream(c, c.nextID, true, !desc.ServerStreams, ctx)
	st.isHalfSent = open.GetHalfClose()
	c.nextID += 2
	c.streams[st.id] = st
	c.lastCall = time.Now()
	c.send(&pb.Frame{StreamId: st.id, Body: &pb.Frame_Open{Open: open}})
	return st, nil
}

func timeoutMs(left time.Duration) uint32 {
	ms := (left + time.Millisecond - 1) / time.Millisecond
	return uint32(min(max(ms, 1), math.MaxUint32))
}

func marshal(m any) ([]byte, error) {
	message, ok := m.(proto.Message)
	if !ok {
		return nil, status.Errorf(status.Internal, "%T is not a protobuf message", m)
	}
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 0, 64), message)
	if err != nil {
		return nil, status.Fail("message_invalid", "the message does not encode", err)
	}
	return b, nil
}

func unmarshal(b []byte, m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(status.Internal, "%T is not a protobuf message", m)
	}
	if err := proto.Unmarshal(b, message); err != nil {
		return status.Fail("message_invalid", "", err)
	}
	return nil
}

// unmarshalAnswer decodes an answer. That it does not decode is no fault of the caller's arguments.
func unmarshalAnswer(b []byte, m any) error {
	err := unmarshal(b, m)
	if status.ReasonOf(err) == "message_invalid" {
		return &status.Error{Code: status.Internal, Message: "the answer does not decode"}
	}
	return err
}

var unaryDesc = &MethodDesc{}

// Invoke makes a unary call.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...CallOption) error {
	return intercept(ctx, c.opts.Interceptors, method, func(ctx context.Context) error {
		return c.invoke(ctx, method, args, reply, opts)
	})
}

func (c *Conn) invoke(ctx context.Context, method string, args, reply any, opts []CallOption) error {
	var o callOptions
	for _, opt := range opts {
		opt(&o)
	}
	message, err := marshal(args)
	if err != nil {
		return err
	}
	if len(message) > c.opts.MaxMessageBytes {
		return status.TooLarge("message_too_large", len(message), c.opts.MaxMessageBytes)
	}
	inOpen := message
	if len(message) > maxPieceBytes {
		inOpen = nil
	}
	st, err := c.open(ctx, method, unaryDesc, inOpen)
	if err != nil {
		return err
	}
	defer o.store(st)
	if inOpen == nil {
		if err := st.sendMessage(message); err == nil {
			st.halfClose()
		} else if !errors.Is(err, io.EOF) {
			return err
		}
	}
	return st.receiveOnly(reply, o.maxAnswerBytes)
}

// receiveOnly receives the only message of an answer, and the success that must follow.
func (s *stream) receiveOnly(reply any, maxBytes int) error {
	answer, err := s.receive()
	if errors.Is(err, io.EOF) {
		return status.Fail("frame_invalid", "a success without an answer", nil)
	}
	if err != nil {
		return err
	}
	if _, err := s.receive(); !errors.Is(err, io.EOF) {
		return err
	}
	if maxBytes > 0 && len(answer) > maxBytes {
		return status.TooLarge("message_too_large", len(answer), maxBytes)
	}
	return unmarshalAnswer(answer, reply)
}

// ClientStream is a caller's end of a stream. One goroutine may send while another receives.
type ClientStream interface {
	// Header waits for the response metadata.
	Header() (metadata.MD, error)
	// Trailer returns the trailers, when receiving has returned an error or io.EOF.
	Trailer() metadata.MD
	// CloseSend says that no message follows.
	CloseSend() error
	// Context is that of the call.
	Context() context.Context
	// SendMsg sends a message; io.EOF says that the call is over, and RecvMsg says how.
	SendMsg(m any) error
	// RecvMsg receives a message; io.EOF is the end of a call that succeeded.
	RecvMsg(m any) error
}

type clientStream struct {
	*stream
	options callOptions
	stop    func() bool // of the watch over the context
}

// NewStream opens a streaming call.
func (c *Conn) NewStream(ctx context.Context, desc *MethodDesc, method string, opts ...CallOption) (stream ClientStream, err error) {
	err = intercept(ctx, c.opts.Interceptors, method, func(ctx context.Context) error {
		stream, err = c.newStream(ctx, desc, method, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stream, nil
}

func (c *Conn) newStream(ctx context.Context, desc *MethodDesc, method string, opts []CallOption) (ClientStream, error) {
	cs := &clientStream{}
	for _, opt := range opts {
		opt(&cs.options)
	}
	st, err := c.open(ctx, method, desc, nil)
	if err != nil {
		return nil, err
	}
	cs.stream = st
	cs.stop = context.AfterFunc(ctx, func() { _ = st.abandon(ctx.Err()) }) // receiving returns the error
	return cs, nil
}

func (cs *clientStream) Context() context.Context { return cs.ctx }

func (cs *clientStream) Header() (metadata.MD, error) {
	c := cs.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	for cs.header == nil && cs.count == 0 && !cs.isOver {
		if err := cs.wait(cs.notify); err != nil {
			return nil, err
		}
	}
	signalTo(cs.notify) // it may have been for a receiver
	if cs.header == nil && cs.err != nil {
		return nil, cs.err
	}
	return cs.header, nil
}

func (cs *clientStream) Trailer() metadata.MD {
	cs.conn.mu.Lock()
	defer cs.conn.mu.Unlock()
	return cs.trailer
}

func (cs *clientStream) CloseSend() error {
	cs.halfClose()
	return nil
}

func (cs *clientStream) SendMsg(m any) error {
	message, err := marshal(m)
	if err != nil {
		return err
	}
	return cs.sendMessage(message)
}

func (cs *clientStream) RecvMsg(m any) error {
	if cs.isSingle {
		err := cs.receiveOnly(m, cs.options.maxAnswerBytes)
		cs.end()
		return err
	}
	message, err := cs.receive()
	if err != nil {
		cs.end()
		return err
	}
	if err := unmarshalAnswer(message, m); err != nil {
		_ = cs.abandon(err) // returned below
		return err
	}
	return nil
}

func (cs *clientStream) end() {
	cs.stop()
	cs.options.store(cs.stream)
}
