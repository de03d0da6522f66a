package rpc_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
	"google.golang.org/protobuf/proto"
)

const (
	echoMethod    = "dswarm.example.v1.EchoService/Echo"
	repeatMethod  = "dswarm.example.v1.EchoService/Repeat"
	collectMethod = "dswarm.example.v1.EchoService/Collect"
	mebibyte      = 1 << 20
)

// until waits for a condition.
func until(t *testing.T, isSo func() bool) {
	t.Helper()
	for start := time.Now(); !isSo(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("waited in vain")
		}
	}
}

func echoServer() *rpc.Server {
	server := rpc.NewServer()
	server.RegisterService(testService, nil)
	return server
}

// large is a request of some 60,000 bytes.
func large(t *testing.T) []byte {
	t.Helper()
	message, err := proto.Marshal(&echo.EchoRequest{Payload: make([]byte, piece)})
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// open opens a call of the peer's.
func (p *rawPeer) open(t *testing.T, id uint32, method string, message []byte, halfClose bool) {
	t.Helper()
	p.send(t, &pb.Frame{StreamId: id, Body: &pb.Frame_Open{Open: &pb.Open{Method: method, Message: message, HalfClose: halfClose}}})
}

func (p *rawPeer) cancel(t *testing.T, id uint32) {
	t.Helper()
	p.send(t, &pb.Frame{StreamId: id, Body: &pb.Frame_Cancel{Cancel: &pb.Cancel{}}})
}

// endOf waits for the end of a call of the peer's.
func (p *rawPeer) endOf(t *testing.T, id uint32) *pb.End {
	t.Helper()
	return p.next(t, func(f *pb.Frame) bool { return f.GetStreamId() == id && f.GetEnd() != nil }).GetEnd()
}

func TestAPeerOverItsShareIsRefusedNewCallsUntilThereIsRoom(t *testing.T) {
	conn, peer := connect(t, false, rpc.Options{Server: echoServer(), MaxHeldBytesPerConnection: mebibyte})
	message := large(t)
	taken := mebibyte/(len(message)+2048) + 1
	for i := range taken {
		peer.open(t, uint32(2*i+1), echoMethod, message, false)
	}
	refused := uint32(2*taken + 1)
	peer.open(t, refused, echoMethod, nil, false)
	if end := peer.endOf(t, refused); end.GetCode() != uint32(status.ResourceExhausted) {
		t.Error(end)
	}
	if held := conn.HeldBytes(); held <= mebibyte || held > 2*mebibyte {
		t.Error("held:", held)
	}
	for i := range taken {
		peer.cancel(t, uint32(2*i+1))
	}
	until(t, func() bool { return conn.HeldBytes() == 0 })
	peer.open(t, refused+2, echoMethod, message, true)
	if end := peer.endOf(t, refused+2); end.GetCode() != 0 {
		t.Error(end)
	}
}

func TestPiecesAndUnreadMessagesCountUntilTheyAreLetGo(t *testing.T) {
	conn, peer := connect(t, false, rpc.Options{Server: echoServer()})
	peer.open(t, 1, echoMethod, nil, false)
	peer.data(t, 1, piece, true)
	until(t, func() bool { return conn.HeldBytes() > piece })
	peer.cancel(t, 1)
	until(t, func() bool { return conn.HeldBytes() == 0 })
	peer.open(t, 3, echoMethod, nil, false)
	peer.message(t, 3, large(t))
	until(t, func() bool { return conn.HeldBytes() > piece })
	peer.cancel(t, 3)
	until(t, func() bool { return conn.HeldBytes() == 0 })
}

func TestOverTheTotalTheConnectionThatHoldsMostEnds(t *testing.T) {
	memory := rpc.NewMemory(2 * mebibyte)
	options := rpc.Options{Server: echoServer(), Memory: memory}
	less, lessPeer := connect(t, false, options)
	most, mostPeer := connect(t, false, options)
	message := large(t)
	for i := range 10 {
		lessPeer.open(t, uint32(2*i+1), echoMethod, message, false)
	}
	for i := range 40 {
		encoded := mostPeer.encode(t, &pb.Frame{StreamId: uint32(2*i + 1), Body: &pb.Frame_Open{Open: &pb.Open{
			Method: echoMethod, Message: message,
		}}})
		if _, err := mostPeer.conn.Write(encoded); err != nil {
			break
		}
	}
	if away := mostPeer.next(t, isGoAway).GetGoAway(); away.GetCode() != uint32(status.ResourceExhausted) {
		t.Error(away)
	}
	mostPeer.conn.Close()
	<-most.Done()
	if status.ReasonOf(most.Err()) != "memory_exhausted" {
		t.Error(most.Err())
	}
	lessPeer.write(t, pingNine)
	lessPeer.next(t, isPong)
	if held := memory.HeldBytes(); held > 2*mebibyte || less.Err() != nil {
		t.Error(held, less.Err())
	}
}

func TestARequestThatStaysIncompleteFails(t *testing.T) {
	conn, peer := connect(t, false, rpc.Options{Server: echoServer(), RequestTimeout: 50 * time.Millisecond})
	peer.open(t, 1, echoMethod, nil, false)
	peer.open(t, 3, echoMethod, large(t), false)
	peer.open(t, 5, collectMethod, nil, false)
	peer.data(t, 5, 1, true)
	peer.open(t, 7, echoMethod, nil, false)
	peer.data(t, 7, piece, false)
	peer.open(t, 9, collectMethod, nil, false) // nothing of a message is under way
	ends := map[uint32]uint32{}
	peer.next(t, func(f *pb.Frame) bool {
		if f.GetEnd() != nil {
			ends[f.GetStreamId()] = f.GetEnd().GetCode()
		}
		return len(ends) == 4
	})
	for _, id := range []uint32{1, 3, 5, 7} {
		if ends[id] != uint32(status.DeadlineExceeded) {
			t.Error("stream", id, "ends with", ends[id])
		}
	}
	peer.cancel(t, 9)
	until(t, func() bool { return conn.HeldBytes() == 0 })
}

func TestAPeerThatDoesNotReadIsGivenUpWhateverItSends(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := rpc.NewConn(&memoryLink{ours, false}, rpc.Options{Server: echoServer(), WriteTimeout: 50 * time.Millisecond})
	for {
		if _, err := theirs.Write(pingNine); err != nil {
			break
		}
	}
	<-conn.Done()
	if status.ReasonOf(conn.Err()) != "peer_too_slow" {
		t.Error(conn.Err())
	}
}

func TestAPeerThatGivesNoCreditOfTheConnectionIsGivenUpWhateverItSends(t *testing.T) {
	conn, peer := connect(t, false, rpc.Options{Server: echoServer(), WriteTimeout: 500 * time.Millisecond, MaxFaults: 1 << 30})
	message, err := proto.Marshal(&echo.EchoRequest{Payload: make([]byte, 69_000)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 { // answers in data frames: two of 69,000 bytes each, for a credit of 1 MiB
		open := &pb.Open{Method: repeatMethod, Message: message, HalfClose: true}
		encoded := peer.encode(t, &pb.Frame{StreamId: uint32(2*i + 1), Body: &pb.Frame_Open{Open: open}})
		if _, err := peer.conn.Write(encoded); err != nil {
			break // on a slow machine it is given up before the last
		}
	}
	for {
		if _, err := peer.conn.Write(pingNine); err != nil {
			break
		}
	}
	<-conn.Done()
	if status.ReasonOf(conn.Err()) != "peer_too_slow" {
		t.Error(conn.Err())
	}
}

func TestAPeerThatCancelsWhatWaitsForCreditOfTheConnectionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the time stands still while the peer cancels
		conn, peer := connect(t, false, rpc.Options{
			Server: echoServer(), WriteTimeout: 50 * time.Millisecond, RequestTimeout: 200 * time.Millisecond,
		})
		message, err := proto.Marshal(&echo.EchoRequest{Payload: make([]byte, 69_000)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			peer.open(t, uint32(2*i+1), repeatMethod, message, true)
		}
		until(t, func() bool { return conn.HeldBytes() >= 20*len(message) })
		for i := range 20 {
			peer.cancel(t, uint32(2*i+1))
		}
		peer.open(t, 41, echoMethod, nil, false)
		peer.endOf(t, 41) // after so long that the connection would have ended
		if conn.Err() != nil {
			t.Error(conn.Err())
		}
	})
}

func TestHandlersWaitWhileThePeerDoesNotTakeAnswers(t *testing.T) {
	ours, theirs := net.Pipe()
	conn := rpc.NewConn(&memoryLink{ours, false}, rpc.Options{Server: echoServer()})
	peer := &rawPeer{conn: theirs, frames: make(chan *pb.Frame, 4096)}
	message := large(t)
	for i := range 200 {
		peer.open(t, uint32(2*i+1), echoMethod, message, true)
	}
	// 512 KiB are queued, and the answers of handlers that had begun before; the rest are requests.
	until(t, func() bool { return conn.HeldBytes() > 200*len(message) })
	if held := conn.HeldBytes(); held > 200*(len(message)+2048)+200*len(message) {
		t.Error("held:", held)
	}
	theirs.Close()
	<-conn.Done()
}

func TestAnAnswerThatWasTakenCountsUntilItsCallIsOver(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{})
	result := make(chan error, 1)
	go func() {
		result <- conn.Invoke(context.Background(), echoMethod, &echo.EchoRequest{}, &echo.EchoResponse{})
	}()
	id := peer.next(t, func(f *pb.Frame) bool { return f.GetOpen() != nil }).GetStreamId()
	peer.message(t, id, large(t))
	until(t, func() bool { return conn.UnreadBytes() > piece })
	peer.end(t, id)
	if err := <-result; err != nil {
		t.Error(err)
	}
	until(t, func() bool { return conn.UnreadBytes() == 0 })
}

func TestAProgramThatReadsNothingIsToReadBeforeItAsksForMore(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{Memory: rpc.NewMemory(mebibyte)})
	var streams []rpc.ServerStreamingClient[echo.RepeatResponse]
	message := large(t)
	for range mebibyte/len(message) + 1 {
		stream, id := repeating(t, t.Context(), conn, peer)
		streams = append(streams, stream)
		peer.message(t, id, message)
	}
	peer.creditsBeforePong(t)
	invoke := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		return conn.Invoke(ctx, echoMethod, &echo.EchoRequest{}, &echo.EchoResponse{})
	}
	if err := invoke(time.Minute); status.ReasonOf(err) != "memory_exhausted" {
		t.Error(err)
	}
	for range 2 {
		if _, err := streams[0].Recv(); err != nil {
			t.Fatal(err)
		}
		streams = streams[1:]
	}
	if err := invoke(100 * time.Millisecond); status.CodeOf(err) != status.DeadlineExceeded { // nobody answers, but it is asked
		t.Error(err)
	}
}

func TestAFloodOfFaultsEndsTheConnection(t *testing.T) {
	for name, flood := range map[string]*pb.Frame{
		"pings":           {Body: &pb.Frame_Ping{Ping: &pb.Ping{Id: 1}}},
		"frames of later": {},
		"little credit":   {Body: &pb.Frame_Credit{Credit: &pb.Credit{Bytes: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			conn, peer := connect(t, false, rpc.Options{MaxFaults: 100, FaultsPerSecond: 1})
			for range 90 {
				peer.send(t, flood)
			}
			peer.creditsBeforePong(t)
			for range 10_000 {
				if _, err := peer.conn.Write(peer.encode(t, flood)); err != nil {
					break
				}
			}
			if away := peer.next(t, isGoAway).GetGoAway(); away.GetCode() != uint32(status.ResourceExhausted) {
				t.Error(away)
			}
			peer.conn.Close()
			<-conn.Done()
			if status.ReasonOf(conn.Err()) != "too_many_faults" {
				t.Error(conn.Err())
			}
		})
	}
}

func TestAFloodOfRefusedCallsEndsTheConnectionAndFaultsAreForgiven(t *testing.T) {
	conn, peer := connect(t, false, rpc.Options{MaxFaults: 100, FaultsPerSecond: 1000})
	id := uint32(1)
	for range 4 {
		for range 95 {
			peer.open(t, id, "a.Service/Unknown", nil, true)
			peer.endOf(t, id)
			id += 2
		}
		time.Sleep(120 * time.Millisecond)
	}
	if conn.Err() != nil {
		t.Fatal(conn.Err())
	}
	open := &pb.Frame{Body: &pb.Frame_Open{Open: &pb.Open{Method: "a.Service/Unknown", HalfClose: true}}}
	for range 10_000 {
		open.StreamId = id
		id += 2
		if _, err := peer.conn.Write(peer.encode(t, open)); err != nil {
			break
		}
	}
	if away := peer.next(t, isGoAway).GetGoAway(); away.GetCode() != uint32(status.ResourceExhausted) {
		t.Error(away)
	}
}
