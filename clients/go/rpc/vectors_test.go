package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dswarm/dswarm/clients/go/frame"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// memoryLink is a link in the clear, to a peer that writes frames as it likes.
type memoryLink struct {
	net.Conn
	isDialer bool
}

func (l *memoryLink) Goodbye() error            { return nil }
func (l *memoryLink) RemoteID() identity.NodeID { return identity.NodeID{} }
func (l *memoryLink) IsDialer() bool            { return l.isDialer }

// rawPeer is the other end of a connection.
type rawPeer struct {
	conn   net.Conn
	frames chan *pb.Frame
	credit atomic.Int64 // of the connection, what has come in all
}

// connect makes a connection and its raw peer. The connection is over when the test is.
func connect(t *testing.T, isDialer bool, opts rpc.Options) (*rpc.Conn, *rawPeer) {
	t.Helper()
	ours, theirs := net.Pipe()
	conn := rpc.NewConn(&memoryLink{ours, isDialer}, opts)
	peer := &rawPeer{conn: theirs, frames: make(chan *pb.Frame, 4096)}
	go func() {
		defer close(peer.frames)
		for reader := frame.NewReader(theirs); ; {
			f, err := reader.Read()
			if err != nil {
				return
			}
			if f.GetStreamId() == 0 {
				peer.credit.Add(int64(f.GetCredit().GetBytes()))
			}
			peer.frames <- f
		}
	}()
	t.Cleanup(func() {
		theirs.Close()
		<-conn.Done()
	})
	return conn, peer
}

func (p *rawPeer) write(t *testing.T, b []byte) {
	t.Helper()
	if _, err := p.conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// next is the next frame of the connection that is wanted.
func (p *rawPeer) next(t *testing.T, isWanted func(*pb.Frame) bool) *pb.Frame {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		select {
		case f, ok := <-p.frames:
			if !ok {
				t.Fatal("the connection has ended")
			}
			if isWanted(f) {
				return f
			}
		case <-timeout:
			t.Fatal("the frame does not come")
		}
	}
}

var pingNine = []byte{4, 0x42, 2, 8, 9}

func isPong(f *pb.Frame) bool   { return f.GetPong().GetId() == 9 }
func isGoAway(f *pb.Frame) bool { return f.GetGoAway() != nil }

func TestFramesDoWhatTheVectorsSay(t *testing.T) {
	type frameCase struct {
		Bytes           vectors.Bytes
		To, Ends, Error string
		Status          uint32
		StreamID        uint32 `json:"stream_id"`
	}
	vectors.Each(t, "frames.json", func(t *testing.T, v frameCase) {
		if v.To == "" {
			t.Skip("package frame tests what decodes")
		}
		server := rpc.NewServer()
		server.RegisterService(testService, nil)
		conn, peer := connect(t, v.To == "dialer", rpc.Options{Server: server})
		outcome := make(chan error, 1)
		if v.To == "dialer" {
			go func() {
				request, answer := &echo.EchoRequest{Payload: []byte("hello")}, &echo.EchoResponse{}
				outcome <- conn.Invoke(context.Background(), "dswarm.example.v1.EchoService/Echo", request, answer)
			}()
			peer.next(t, func(f *pb.Frame) bool { return f.GetOpen() != nil })
		}
		peer.write(t, v.Bytes)
		switch {
		case v.Ends == "connection":
			if away := peer.next(t, isGoAway).GetGoAway(); away.GetCode() != v.Status {
				t.Error(away)
			}
			peer.conn.Close()
			<-conn.Done()
			if status.ReasonOf(conn.Err()) != v.Error {
				t.Error(conn.Err())
			}
			return
		case v.Ends == "stream" && v.To == "listener":
			end := peer.next(t, func(f *pb.Frame) bool { return f.GetEnd() != nil })
			if end.GetStreamId() != v.StreamID || end.GetEnd().GetCode() != v.Status {
				t.Error(end)
			}
			if v.Error != "" && !strings.HasPrefix(end.GetEnd().GetMessage(), status.Fail(v.Error, "", nil).Message) {
				t.Error(end)
			}
		case v.To == "dialer":
			err := <-outcome
			if status.ReasonOf(err) != v.Error || v.Ends == "stream" && uint32(status.CodeOf(err)) != v.Status {
				t.Error(err)
			}
		}
		peer.write(t, pingNine)
		peer.next(t, isPong)
	})
}

// testService has the methods of EchoService that the vectors call.
var testService = &rpc.ServiceDesc{ServiceName: "dswarm.example.v1.EchoService", Methods: []rpc.MethodDesc{
	{Name: "Echo", Unary: func(_ any, _ context.Context, decode func(any) error) (any, error) {
		in := &echo.EchoRequest{}
		if err := decode(in); err != nil {
			return nil, err
		}
		return &echo.EchoResponse{Payload: in.GetPayload()}, nil
	}},
	{Name: "Repeat", ServerStreams: true, Stream: func(_ any, stream rpc.ServerStream) error {
		in := &echo.EchoRequest{}
		if err := stream.RecvMsg(in); err != nil {
			return err
		}
		for range 2 {
			if err := stream.SendMsg(&echo.RepeatResponse{Payload: in.GetPayload()}); err != nil {
				return err
			}
		}
		return nil
	}},
	{Name: "Collect", ClientStreams: true, Stream: func(_ any, stream rpc.ServerStream) error {
		sum := &echo.CollectResponse{}
		for {
			err := stream.RecvMsg(&echo.CollectRequest{})
			if errors.Is(err, io.EOF) {
				return stream.SendMsg(sum)
			}
			if err != nil {
				return err
			}
			sum.Count++
		}
	}},
}}

func TestAFloodOfPingsThatNobodyReadsEndsTheConnection(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := rpc.NewConn(&memoryLink{ours, true}, rpc.Options{MaxQueuedBytes: 64 << 10, MaxFaults: 1 << 30})
	flood := bytes.Repeat(pingNine, 1000)
	for range 100 {
		if _, err := theirs.Write(flood); err != nil {
			break
		}
	}
	select {
	case <-conn.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("pongs are queued without end")
	}
	if status.ReasonOf(conn.Err()) != "peer_too_slow" {
		t.Error(conn.Err())
	}
}
