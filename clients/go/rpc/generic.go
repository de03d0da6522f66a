package rpc

import (
	"errors"
	"io"
)

// ServerStreamingClient is a caller's end of a call with many answers.
type ServerStreamingClient[Res any] interface {
	// Recv receives an answer; io.EOF is the end of a call that succeeded.
	Recv() (*Res, error)
	ClientStream
}

// ClientStreamingClient is a caller's end of a call with many requests.
type ClientStreamingClient[Req, Res any] interface {
	// Send sends a request; io.EOF says that the call is over, and CloseAndRecv says how.
	Send(*Req) error
	// CloseAndRecv says that no request follows, and receives the answer.
	CloseAndRecv() (*Res, error)
	ClientStream
}

// BidiStreamingClient is a caller's end of a call with many requests and answers.
type BidiStreamingClient[Req, Res any] interface {
	// Send sends a request; io.EOF says that the call is over, and Recv says how.
	Send(*Req) error
	// Recv receives an answer; io.EOF is the end of a call that succeeded.
	Recv() (*Res, error)
	ClientStream
}

// ServerStreamingServer is a handler's end of a call with many answers.
type ServerStreamingServer[Res any] interface {
	Send(*Res) error
	ServerStream
}

// ClientStreamingServer is a handler's end of a call with many requests.
type ClientStreamingServer[Req, Res any] interface {
	// Recv receives a request; io.EOF says that no more is to come.
	Recv() (*Req, error)
	SendAndClose(*Res) error
	ServerStream
}

// BidiStreamingServer is a handler's end of a call with many requests and answers.
type BidiStreamingServer[Req, Res any] interface {
	// Recv receives a request; io.EOF says that no more is to come.
	Recv() (*Req, error)
	Send(*Res) error
	ServerStream
}

// GenericClientStream gives a ClientStream its types. For generated code.
type GenericClientStream[Req, Res any] struct{ ClientStream }

// Send sends a request.
func (x *GenericClientStream[Req, Res]) Send(m *Req) error { return x.SendMsg(m) }

// Recv receives an answer.
func (x *GenericClientStream[Req, Res]) Recv() (*Res, error) {
	m := new(Res)
	if err := x.RecvMsg(m); err != nil {
		return nil, err
	}
	return m, nil
}

// CloseAndRecv says that no request follows, and receives the answer.
func (x *GenericClientStream[Req, Res]) CloseAndRecv() (*Res, error) {
	if err := x.CloseSend(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return x.Recv()
}

// GenericServerStream gives a ServerStream its types. For generated code.
type GenericServerStream[Req, Res any] struct{ ServerStream }

// Send sends an answer.
func (x *GenericServerStream[Req, Res]) Send(m *Res) error { return x.SendMsg(m) }

// SendAndClose sends the only answer.
func (x *GenericServerStream[Req, Res]) SendAndClose(m *Res) error { return x.SendMsg(m) }

// Recv receives a request.
func (x *GenericServerStream[Req, Res]) Recv() (*Req, error) {
	m := new(Req)
	if err := x.RecvMsg(m); err != nil {
		return nil, err
	}
	return m, nil
}
