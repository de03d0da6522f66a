package rpc_test

import (
	"context"
	"strings"
	"testing"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

func TestAMessageOverTheLimitSaysItsSizeAlsoInPieces(t *testing.T) {
	_, peer := connect(t, false, rpc.Options{Server: echoServer(), MaxMessageBytes: 1000})
	peer.open(t, 1, echoMethod, make([]byte, 1200), true)
	peer.open(t, 3, collectMethod, nil, false)
	peer.data(t, 3, 700, true)
	peer.data(t, 3, 700, true)
	peer.open(t, 5, collectMethod, nil, false)
	peer.data(t, 5, 700, true)
	peer.data(t, 5, 700, false)
	peer.open(t, 7, echoMethod, make([]byte, 69_633), true)
	for id, want := range []string{
		1: "a message over the size limit: 1200 bytes, the limit is 1000",
		3: "a message over the size limit: at least 1400 bytes, the limit is 1000",
		5: "a message over the size limit: 1400 bytes, the limit is 1000",
		7: "a frame that breaks the protocol: a message over its size in a frame: 69633 bytes, the limit is 69632",
	} {
		if want == "" {
			continue
		}
		if end := peer.endOf(t, uint32(id)); end.GetMessage() != want {
			t.Error(id, end.GetMessage())
		}
	}
}

func TestWhatIsTooLargeToSendSaysItsSize(t *testing.T) {
	conn, _ := connect(t, true, rpc.Options{MaxMessageBytes: 1000})
	many := metadata.MD{"k": make([]string, 129)}
	for _, c := range []struct {
		method  string
		md      metadata.MD
		payload int
		want    string
	}{
		{echoMethod, nil, 1200, "a message over the size limit: 1203 bytes, the limit is 1000"},
		{echoMethod, many, 0, "metadata over the size limit: 129 entries, the limit is 128"},
		{echoMethod, metadata.Pairs("k", strings.Repeat("v", 20_000)), 0, "metadata over the size limit: 20001 bytes, the limit is 16384"},
		{strings.Repeat("m", 300), nil, 0, "a method name over the size limit: 300 bytes, the limit is 256"},
	} {
		ctx := metadata.NewOutgoingContext(context.Background(), c.md)
		err := conn.Invoke(ctx, c.method, &echo.EchoRequest{Payload: make([]byte, c.payload)}, &echo.EchoResponse{})
		if err == nil || status.FromError(err).Message != c.want {
			t.Error(err)
		}
	}
}

func TestAFrameOrAPieceOverItsLimitSaysItsSizeInTheGoAway(t *testing.T) {
	for want, act := range map[string]func(t *testing.T, peer *rawPeer){
		"a frame over the size limit: 131077 bytes, the limit is 131072": func(t *testing.T, peer *rawPeer) {
			peer.write(t, []byte{0x85, 0x80, 0x08})
		},
		"a frame over the size limit: at least 131073 bytes, the limit is 131072": func(t *testing.T, peer *rawPeer) {
			peer.write(t, []byte{0x80, 0x80, 0x80})
		},
		"a frame that breaks the protocol: a piece over its size limit: 69633 bytes, the limit is 69632": func(t *testing.T, peer *rawPeer) {
			peer.open(t, 1, collectMethod, nil, false)
			peer.data(t, 1, 69_633, false)
		},
		"more bytes than there was credit for": func(t *testing.T, peer *rawPeer) {
			peer.open(t, 1, collectMethod, nil, false)
			peer.data(t, 1, 80_000, true)
		},
	} {
		t.Run(want, func(t *testing.T) {
			_, peer := connect(t, false, rpc.Options{Server: echoServer(), WindowPoolBytes: -1})
			act(t, peer)
			if got := peer.next(t, func(f *pb.Frame) bool { return f.GetGoAway() != nil }).GetGoAway().GetMessage(); got != want {
				t.Error(got)
			}
		})
	}
}

func TestAnAnswerOverItsOwnLimitIsNotDecoded(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{})
	answered := make(chan error, 2)
	for _, size := range []int{1000, 1001} {
		go func() {
			answered <- conn.Invoke(context.Background(), echoMethod, &echo.EchoRequest{}, &echo.EchoResponse{}, rpc.MaxAnswerBytes(1000))
		}()
		id := peer.next(t, func(f *pb.Frame) bool { return f.GetOpen() != nil }).GetStreamId()
		peer.message(t, id, append([]byte{0x0a, 0xe5, 0x07}, make([]byte, size-3)...)) // 997 bytes: of 1001, it does not decode
		peer.end(t, id)
		want := ""
		if size > 1000 {
			want = "resource_exhausted: a message over the size limit: 1001 bytes, the limit is 1000"
		}
		if err := <-answered; (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Error(size, err)
		}
	}
}
