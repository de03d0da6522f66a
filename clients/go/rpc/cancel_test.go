package rpc_test

import (
	"context"
	"errors"
	"testing"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// waiting waits for the end of its call, and says why it has ended.
type waiting struct {
	echo.UnimplementedEchoServiceServer
	started chan struct{}
	causes  chan error
}

func (w waiting) Echo(ctx context.Context, _ *echo.EchoRequest) (*echo.EchoResponse, error) {
	close(w.started)
	<-ctx.Done()
	w.causes <- context.Cause(ctx)
	return nil, ctx.Err()
}

func TestAHandlerLearnsWhyItsCallerGaveUp(t *testing.T) {
	causes := map[status.Code]error{
		status.OK:               context.Canceled,
		status.Canceled:         context.Canceled,
		status.DeadlineExceeded: context.DeadlineExceeded,
		99:                      context.Canceled,
	}
	for code, want := range causes {
		server, handler := rpc.NewServer(), waiting{started: make(chan struct{}), causes: make(chan error, 1)}
		echo.RegisterEchoServiceServer(server, handler)
		_, peer := connect(t, false, rpc.Options{Server: server})
		peer.open(t, 1, echoMethod, []byte{}, true)
		<-handler.started
		peer.send(t, &pb.Frame{StreamId: 1, Body: &pb.Frame_Cancel{Cancel: &pb.Cancel{Code: uint32(code)}}})
		if cause := <-handler.causes; !errors.Is(cause, want) {
			t.Errorf("cancel with code %d: %v, want %v", code, cause, want)
		}
	}
}
