package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/types/known/anypb"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// echoService is EchoService with the behaviours that docs/conformance.md agrees on.
type echoService struct {
	echo.UnimplementedEchoServiceServer
	running, cancelled, messages atomic.Int64
	released                     chan struct{}
	release                      func()
}

func newEchoService() *echoService {
	s := &echoService{released: make(chan struct{})}
	s.release = sync.OnceFunc(func() { close(s.released) })
	return s
}

// begin counts a handler and answers the metadata; what it returns is to be called when the handler stops.
func (s *echoService) begin(ctx context.Context) func() {
	s.running.Add(1)
	asked, _ := metadata.FromIncomingContext(ctx)
	answered := metadata.MD{}
	for key, values := range asked {
		if strings.HasPrefix(key, "x-") {
			answered[key] = values
		}
	}
	_ = errors.Join(rpc.SetHeader(ctx, answered), rpc.SetTrailer(ctx, answered)) // in a handler neither fails
	return func() {
		if ctx.Err() != nil {
			s.cancelled.Add(1)
		}
		s.running.Add(-1)
	}
}

// order does what a first payload asks for.
func (s *echoService) order(ctx context.Context, payload []byte) error {
	s.messages.Add(1)
	word, rest, _ := strings.Cut(string(payload), " ")
	switch word {
	case "fail":
		code, message, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(code, 10, 5)
		if err != nil {
			return nil // any other payload
		}
		detail, err := anypb.New(&echo.EchoRequest{Payload: []byte(message)})
		if err != nil {
			return err
		}
		return status.Errorf(status.Code(n), "%s", message).WithDetails(detail)
	case "trailer":
		return rpc.SetTrailer(ctx, metadata.MD{"x-trailer": {rest}})
	case "error":
		return errors.New("a secret")
	case "fault":
		panic("as asked")
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "stall":
		select {
		case <-s.released:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (s *echoService) Echo(ctx context.Context, in *echo.EchoRequest) (*echo.EchoResponse, error) {
	defer s.begin(ctx)()
	if err := s.order(ctx, in.GetPayload()); err != nil {
		return nil, err
	}
	return &echo.EchoResponse{Payload: in.GetPayload()}, nil
}

func (s *echoService) Repeat(in *echo.RepeatRequest, stream rpc.ServerStreamingServer[echo.RepeatResponse]) error {
	defer s.begin(stream.Context())()
	if err := s.order(stream.Context(), in.GetPayload()); err != nil {
		return err
	}
	for i := range in.GetCount() {
		if err := stream.Send(&echo.RepeatResponse{Payload: in.GetPayload(), Index: i}); err != nil {
			return err
		}
	}
	return nil
}

func (s *echoService) Collect(stream rpc.ClientStreamingServer[echo.CollectRequest, echo.CollectResponse]) error {
	defer s.begin(stream.Context())()
	sum := &echo.CollectResponse{}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		if err := s.next(stream.Context(), in.GetPayload(), sum.GetCount() == 0); err != nil {
			return err
		}
		sum.Count++
		sum.Bytes += uint64(len(in.GetPayload()))
	}
}

func (s *echoService) Converse(stream rpc.BidiStreamingServer[echo.ConverseRequest, echo.ConverseResponse]) error {
	defer s.begin(stream.Context())()
	for isFirst := true; ; isFirst = false {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.next(stream.Context(), in.GetPayload(), isFirst); err != nil {
			return err
		}
		if err := stream.Send(&echo.ConverseResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

func (s *echoService) next(ctx context.Context, payload []byte, isFirst bool) error {
	if isFirst {
		return s.order(ctx, payload)
	}
	s.messages.Add(1)
	return nil
}
