package rpc

import (
	"context"
	"errors"
	"io"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/status"
)

// maxTimeout bounds the deadlines of callers, in milliseconds: a day.
const maxTimeout = 86_400_000

// MethodDesc describes a method. Generated code makes it.
type MethodDesc struct {
	Name                         string
	ClientStreams, ServerStreams bool
	Unary                        func(srv any, ctx context.Context, decode func(any) error) (any, error)
	Stream                       func(srv any, stream ServerStream) error
}

// ServiceDesc describes a service. Generated code makes it.
type ServiceDesc struct {
	ServiceName string
	Methods     []MethodDesc
}

// ServiceRegistrar is what generated code registers services with.
type ServiceRegistrar interface {
	RegisterService(desc *ServiceDesc, impl any)
}

// Server has the services that connections serve. One server may serve many connections.
type Server struct {
	mu      sync.RWMutex
	methods map[string]servedMethod
	names   map[string]bool
}

type servedMethod struct {
	name string // "package.Service/Method"
	desc *MethodDesc
	impl any
}

// NewServer returns a server without services.
func NewServer() *Server {
	return &Server{methods: map[string]servedMethod{}, names: map[string]bool{}}
}

// RegisterService adds a service. It panics when the service is served already.
func (s *Server) RegisterService(desc *ServiceDesc, impl any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[desc.ServiceName] {
		panic("rpc: " + desc.ServiceName + " is served already")
	}
	s.names[desc.ServiceName] = true
	for i := range desc.Methods {
		name := desc.ServiceName + "/" + desc.Methods[i].Name
		s.methods[name] = servedMethod{name, &desc.Methods[i], impl}
	}
}

// Services are the names of what is served, in their order.
func (s *Server) Services() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.names))
}

func (s *Server) hasServices() bool {
	if s == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.names) > 0
}

func (s *Server) method(name string) (servedMethod, bool) {
	if s == nil {
		return servedMethod{}, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	m, ok := s.methods[name]
	return m, ok
}

type peerKey struct{}
type handlerKey struct{}

// PeerFromContext returns the caller of a handler.
func PeerFromContext(ctx context.Context) (identity.NodeID, bool) {
	conn, ok := ConnFromContext(ctx)
	if !ok {
		return identity.NodeID{}, false
	}
	return conn.RemoteID(), true
}

// ConnFromContext returns the connection on which a handler was called: the caller can be called back on it.
func ConnFromContext(ctx context.Context) (*Conn, bool) {
	conn, ok := ctx.Value(peerKey{}).(*Conn)
	return conn, ok
}

// SetHeader adds response metadata, which goes with the first message. For handlers.
func SetHeader(ctx context.Context, md metadata.MD) error {
	h, ok := ctx.Value(handlerKey{}).(*serverStream)
	if !ok {
		return status.Errorf(status.Internal, "not the context of a handler")
	}
	return h.SetHeader(md)
}

// SetTrailer adds trailers. For handlers.
func SetTrailer(ctx context.Context, md metadata.MD) error {
	h, ok := ctx.Value(handlerKey{}).(*serverStream)
	if !ok {
		return status.Errorf(status.Internal, "not the context of a handler")
	}
	h.SetTrailer(md)
	return nil
}

// handleOpen starts the handler of a call. With the lock.
func (c *Conn) handleOpen(id uint32, open *pb.Open) error {
	if c.isOurs(id) || id <= c.lastRemoteID || id > lastStream {
		return c.fault("frame_invalid", "a stream id of the wrong parity, or not counting up")
	}
	if c.refusing {
		return nil
	}
	c.lastRemoteID = id
	c.lastCall = time.Now()
	md, err := metadata.FromWire(open.GetMetadata())
	method, isServed := c.opts.Server.method(open.GetMethod())
	var refusal *status.Error
	switch {
	case c.handlers >= c.opts.MaxConcurrentStreams:
		refusal = status.Fail("too_many_streams", "", nil)
	case c.received >= c.opts.MaxHeldBytesPerConnection:
		refusal = status.Fail("memory_exhausted", "", nil)
	case len(open.GetMessage()) > maxPieceBytes:
		refusal = overPiece(open.GetMessage())
	case len(open.GetMessage()) > c.opts.MaxMessageBytes:
		refusal = status.TooLarge("message_too_large", len(open.GetMessage()), c.opts.MaxMessageBytes)
	case err != nil:
		refusal = status.FromError(err)
	case !isServed:
		refusal = status.Errorf(status.Unimplemented, "%.256q is not served", open.GetMethod())
	}
	if refusal != nil {
		c.send(endFrame(id, refusal, nil, nil, nil))
		c.faults.count()
		return nil
	}
	ctx := context.WithValue(metadata.NewIncomingContext(c.ctx, md), peerKey{}, c)
	ctx, cancel := context.WithCancelCause(ctx)
	stopTimer := context.CancelFunc(func() {})
	if ms := open.GetTimeoutMs(); ms > 0 {
		ctx, stopTimer = context.WithTimeout(ctx, time.Duration(min(ms, maxTimeout))*time.Millisecond)
	}
	st := newStream(c, id, false, !method.desc.ClientStreams, nil)
	st.cancel = func(cause error) {
		cancel(cause)
		stopTimer()
	}
	h := &serverStream{stream: st}
	h.callCtx = context.WithValue(ctx, handlerKey{}, h)
	st.ctx = h.callCtx
	st.isHalf = open.GetHalfClose()
	if st.isSingle && !st.isHalf {
		st.goesOn()
	}
	st.kept = callBytes + sizeOf(open.GetMetadata())
	c.holdReceived(st.kept)
	if open.Message != nil {
		st.push(received{message: open.GetMessage(), held: len(open.GetMessage())})
	}
	c.streams[id] = st
	c.handlers++
	go h.run(method)
	return nil
}

func sizeOf(entries []*pb.Metadata) int {
	size := 0
	for _, entry := range entries {
		size += len(entry.GetKey()) + len(entry.GetValue())
	}
	return size
}

// ServerStream is a handler's end of a stream. One goroutine may send while another receives.
type ServerStream interface {
	// SetHeader adds response metadata, which goes with the first message.
	SetHeader(md metadata.MD) error
	// SendHeader sends the response metadata now.
	SendHeader(md metadata.MD) error
	// SetTrailer adds trailers.
	SetTrailer(md metadata.MD)
	// Context ends with the call.
	Context() context.Context
	// SendMsg sends a message.
	SendMsg(m any) error
	// RecvMsg receives a message; io.EOF says that no more is to come.
	RecvMsg(m any) error
}

type serverStream struct {
	*stream
	callCtx      context.Context
	handlerCtx   context.Context // callCtx and what interceptors add; of the handler's goroutine
	mu           sync.Mutex
	outHeader    metadata.MD
	outTrailer   metadata.MD
	isHeaderSent bool
	answer       []byte // the only message, when it travels with the end
	hasAnswer    bool
	isSingleOut  bool
}

func (h *serverStream) Context() context.Context { return h.handlerCtx }

func (h *serverStream) SetHeader(md metadata.MD) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isHeaderSent {
		return status.Errorf(status.Internal, "the header is sent")
	}
	h.outHeader = metadata.Join(h.outHeader, md)
	return nil
}

func (h *serverStream) SetTrailer(md metadata.MD) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outTrailer = metadata.Join(h.outTrailer, md)
}

func (h *serverStream) SendHeader(md metadata.MD) error {
	if err := h.SetHeader(md); err != nil {
		return err
	}
	return h.sendHeader(true)
}

func (h *serverStream) sendHeader(evenEmpty bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.isHeaderSent {
		return nil
	}
	entries, err := metadata.ToWire(h.outHeader)
	if err != nil {
		return err
	}
	h.isHeaderSent = true
	if len(entries) == 0 && !evenEmpty {
		return nil
	}
	h.conn.mu.Lock()
	defer h.conn.mu.Unlock()
	if !h.isOver {
		h.conn.send(&pb.Frame{StreamId: h.id, Body: &pb.Frame_Header{Header: &pb.Header{Metadata: entries}}})
	}
	return nil
}

func (h *serverStream) SendMsg(m any) error {
	message, err := marshal(m)
	if err != nil {
		return err
	}
	if h.isSingleOut && len(message) <= maxPieceBytes {
		h.answer, h.hasAnswer = message, true
		return nil
	}
	if err := h.sendHeader(false); err != nil {
		return err
	}
	err = h.sendMessage(message)
	if errors.Is(err, io.EOF) {
		if ended := h.callCtx.Err(); ended != nil {
			return status.FromError(ended)
		}
		return status.Errorf(status.Canceled, "the call is over")
	}
	return err
}

func (h *serverStream) RecvMsg(m any) error {
	message, err := h.receive()
	if errors.Is(err, io.EOF) && h.isSingle && h.count == 0 {
		return status.Fail("frame_invalid", "a call without its message", nil)
	}
	if err != nil {
		return err
	}
	if h.isSingle {
		// Nothing but the half-close may follow the only message.
		if _, err := h.receive(); !errors.Is(err, io.EOF) {
			return err
		}
	}
	return unmarshal(message, m)
}

// run calls the handler and answers. On a goroutine of its own.
func (h *serverStream) run(method servedMethod) {
	c := h.conn
	// A handler that does not heed its context must not delay the status of its deadline.
	stop := context.AfterFunc(h.callCtx, func() {
		if errors.Is(h.callCtx.Err(), context.DeadlineExceeded) {
			h.finishCall(status.FromError(h.callCtx.Err()))
		}
	})
	h.isSingleOut = !method.desc.ServerStreams
	// While the peer does not take what is there, nothing more is made for it.
	c.mu.Lock()
	c.waitSpace(h.callCtx.Done())
	c.mu.Unlock()
	err := h.call(method)
	stop()
	h.finishCall(err)
	c.mu.Lock()
	c.handlers--
	h.letGo()
	c.mu.Unlock()
}

func (h *serverStream) call(method servedMethod) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.conn.opts.logger().Error("a handler panicked", "method", method.name, "panic", p, "stack", string(debug.Stack()))
			err = errInternal
			return
		}
		err = h.publicError(method, err)
	}()
	return intercept(h.callCtx, h.conn.opts.ServerInterceptors, method.name, func(ctx context.Context) error {
		h.handlerCtx = ctx
		return h.handle(method)
	})
}

func (h *serverStream) handle(method servedMethod) error {
	if method.desc.Unary == nil {
		return method.desc.Stream(method.impl, h)
	}
	answer, err := method.desc.Unary(method.impl, h.handlerCtx, h.RecvMsg)
	if err != nil {
		return err
	}
	if answer == nil || reflect.ValueOf(answer).IsNil() {
		return status.Errorf(status.Internal, "the handler answered nothing")
	}
	return h.SendMsg(answer)
}

// errInternal is what a caller sees of an error that is no status: its text may tell what is nobody's business.
var errInternal = status.Errorf(status.Internal, "internal error")

// publicError is what the caller may see of a handler's error.
func (h *serverStream) publicError(method servedMethod, err error) error {
	var known *status.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	h.conn.opts.logger().Error("a handler failed", "method", method.name, "error", err)
	return errInternal
}

// finishCall sends the end. Idempotent.
func (h *serverStream) finishCall(err error) {
	failure := status.FromError(err)
	h.mu.Lock()
	header, trailer := h.outHeader, h.outTrailer
	if h.isHeaderSent {
		header = nil
	}
	h.mu.Unlock()
	headerEntries, badHeader := metadata.ToWire(header)
	trailerEntries, badTrailer := metadata.ToWire(trailer)
	if bad := errors.Join(badHeader, badTrailer); bad != nil {
		failure, headerEntries, trailerEntries = status.Errorf(status.Internal, "the handler's metadata: %v", bad), nil, nil
	}
	if failure != nil && failure.Code > status.Unauthenticated || failure != nil && failure.Code == status.OK {
		failure = status.Errorf(status.Unknown, "%s", failure.Message)
	}
	var response []byte
	if failure == nil && h.hasAnswer {
		response = h.answer
	}
	c := h.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holdUnsent(len(response))
	c.waitSpace(nil)
	c.holdUnsent(-len(response))
	if h.isOver {
		return
	}
	c.send(endFrame(h.id, failure, response, headerEntries, trailerEntries))
	c.remove(h.stream, nil)
}

// endFrame is the end of a call: failure is nil for success, response nil when it went before or there is none.
func endFrame(id uint32, failure *status.Error, response []byte, header, trailer []*pb.Metadata) *pb.Frame {
	end := &pb.End{Response: response, Header: header, Trailer: trailer}
	if failure != nil {
		end.Code = uint32(failure.Code)
		end.Message = cutText(failure.Message)
		size := 0
		for _, detail := range failure.Details {
			if size += proto.Size(detail); size > maxDetailBytes {
				break
			}
			end.Details = append(end.Details, detail)
		}
	}
	return &pb.Frame{StreamId: id, Body: &pb.Frame_End{End: end}}
}

// cutText cuts a text to the limit of the protocol, as valid UTF-8.
func cutText(text string) string {
	if len(text) > maxErrorBytes {
		text = text[:maxErrorBytes-4]
	}
	return strings.ToValidUTF8(text, "")
}
