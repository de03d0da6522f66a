package rpc_test

import (
	"context"
	"testing"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

func TestACallThatNoHandlerHasSeenSaysSoAndNoOther(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{})
	outcome := make(chan error, 1)
	call := func() {
		outcome <- conn.Invoke(context.Background(), echoMethod, &echo.EchoRequest{}, &echo.EchoResponse{})
	}
	isOpen := func(f *pb.Frame) bool { return f.GetOpen() != nil }
	// Of a call that the peer has, it is not known what became of it when the connection is lost.
	go call()
	peer.next(t, isOpen)
	go func() {
		peer.send(t, &pb.Frame{Body: &pb.Frame_GoAway{GoAway: &pb.GoAway{LastStreamId: 1}}})
		peer.conn.Close()
	}()
	if err := <-outcome; err == nil || status.IsUnhandled(err) {
		t.Error("of a call that the peer has:", err)
	}
	if call(); !status.IsUnhandled(<-outcome) {
		t.Error("a call on a connection that is over is not said to be unhandled")
	}
	conn, peer = connect(t, true, rpc.Options{})
	go call()
	peer.next(t, isOpen)
	peer.send(t, &pb.Frame{Body: &pb.Frame_GoAway{GoAway: &pb.GoAway{}}})
	if err := <-outcome; !status.IsUnhandled(err) || status.CodeOf(err) != status.Unavailable {
		t.Error("of a call that the peer turns away:", err)
	}
}
