package rpc_test

import (
	"context"
	"testing"

	"github.com/dswarm/dswarm/clients/go/frame"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// repeating opens a call with a streamed answer, and returns its stream's id.
func repeating(t *testing.T, ctx context.Context, conn *rpc.Conn, peer *rawPeer) (rpc.ServerStreamingClient[echo.RepeatResponse], uint32) {
	t.Helper()
	stream, err := echo.NewEchoServiceClient(conn).Repeat(ctx, &echo.RepeatRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return stream, peer.next(t, func(f *pb.Frame) bool { return f.GetOpen() != nil }).GetStreamId()
}

// data writes a piece of an answer.
func (p *rawPeer) data(t *testing.T, id uint32, bytes int, more bool) {
	t.Helper()
	p.send(t, &pb.Frame{StreamId: id, Body: &pb.Frame_Data{Data: &pb.Data{Payload: make([]byte, bytes), More: more}}})
}

// message writes a whole message.
func (p *rawPeer) message(t *testing.T, id uint32, message []byte) {
	t.Helper()
	p.send(t, &pb.Frame{StreamId: id, Body: &pb.Frame_Data{Data: &pb.Data{Payload: message}}})
}

// end writes the success of a call.
func (p *rawPeer) end(t *testing.T, id uint32) {
	t.Helper()
	p.send(t, &pb.Frame{StreamId: id, Body: &pb.Frame_End{End: &pb.End{}}})
}

func (p *rawPeer) send(t *testing.T, f *pb.Frame) {
	t.Helper()
	p.write(t, p.encode(t, f))
}

func (p *rawPeer) encode(t *testing.T, f *pb.Frame) []byte {
	t.Helper()
	encoded, err := frame.Append(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// creditsBeforePong are the credits that a connection gives for what it has received, by stream.
func (p *rawPeer) creditsBeforePong(t *testing.T) map[uint32]uint32 {
	t.Helper()
	p.write(t, pingNine)
	credits := map[uint32]uint32{}
	p.next(t, func(f *pb.Frame) bool {
		if f.GetCredit() != nil {
			credits[f.GetStreamId()] += f.GetCredit().GetBytes()
		}
		return isPong(f)
	})
	return credits
}

const piece = 60_000

// smallWindows keeps every stream at the window that it begins with.
var smallWindows = rpc.Options{WindowPoolBytes: -1}

func TestCreditOfTheConnectionComesBackThoughNobodyReads(t *testing.T) {
	conn, peer := connect(t, true, smallWindows)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var streams []rpc.ServerStreamingClient[echo.RepeatResponse]
	for range 200 {
		stream, id := repeating(t, ctx, conn, peer)
		streams = append(streams, stream)
		peer.data(t, id, piece, false)
	}
	for id, bytes := range peer.creditsBeforePong(t) {
		if id != 0 {
			t.Error("credit of a stream that nobody reads:", bytes)
		}
	}
	if least := int64(200*(piece+64) - 256<<10); peer.credit.Load() < least {
		t.Errorf("credit of %d where %d are due", peer.credit.Load(), least)
	}
	if held := conn.UnreadBytes(); held < 200*piece || held > 200*(piece+1000) {
		t.Error("held:", held)
	}
	cancel()
	until(t, func() bool { return conn.UnreadBytes() == 0 })
	if _, err := streams[0].Recv(); status.CodeOf(err) != status.Canceled {
		t.Error("a canceled call:", err)
	}
}

func TestAStreamInUseGetsALargerWindowWhileThePoolHasRoom(t *testing.T) {
	const raise = 256<<10 - 73728
	conn, peer := connect(t, true, rpc.Options{WindowPoolBytes: 2*raise + 1})
	message := []byte{} // a RepeatResponse without fields
	var raised []uint32
	var ids []uint32
	for range 3 {
		stream, id := repeating(t, t.Context(), conn, peer)
		ids = append(ids, id)
		peer.message(t, id, message)
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		raised = append(raised, peer.creditsBeforePong(t)[id])
	}
	if raised[0] != raise+64 || raised[1] != raise+64 || raised[2] != 0 {
		t.Error("windows grow by", raised)
	}
	// The third gets it when the first has ended.
	peer.end(t, ids[0])
	stream, id := repeating(t, t.Context(), conn, peer)
	peer.message(t, id, message)
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if credit := peer.creditsBeforePong(t)[id]; credit != raise+64 {
		t.Error("after an end a window grows by", credit)
	}
}

func TestALaterMessageGetsCreditForItsPiecesWhenItIsAskedFor(t *testing.T) {
	conn, peer := connect(t, true, smallWindows)
	stream, id := repeating(t, t.Context(), conn, peer)
	peer.data(t, id, piece, true) // the first message is always waited for
	if credit := peer.creditsBeforePong(t)[id]; credit != piece+64 {
		t.Error("for the first message a credit of", credit)
	}
	peer.data(t, id, 1, false)
	if _, err := stream.Recv(); err == nil {
		t.Fatal("what is no RepeatResponse decodes")
	}
	stream, id = repeating(t, t.Context(), conn, peer)
	peer.data(t, id, 0, false)
	peer.data(t, id, piece, true)
	if credits := peer.creditsBeforePong(t); len(credits) != 0 {
		t.Error("credit for what nobody waits for:", credits)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if credits := peer.creditsBeforePong(t); len(credits) != 0 {
		t.Error("credit before the message is asked for:", credits)
	}
	go stream.Recv() // ends with the connection
	isOfStream := func(f *pb.Frame) bool { return f.GetStreamId() == id && f.GetCredit() != nil }
	if credit := peer.next(t, isOfStream).GetCredit().GetBytes(); credit != 2*64+piece {
		t.Error("when it is asked for a credit of", credit)
	}
}

func TestOfTooMuchThatIsAwaitedOnlyTheOldestMessageGoesOn(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{MaxAssemblingBytes: 73728, WindowPoolBytes: -1})
	_, first := repeating(t, t.Context(), conn, peer)
	_, second := repeating(t, t.Context(), conn, peer)
	peer.data(t, first, piece, true)
	peer.data(t, second, piece, true)
	peer.data(t, first, piece, true)
	credits := peer.creditsBeforePong(t)
	if credits[first] != 2*(piece+64) || credits[second] != 0 {
		t.Error("credits of", credits)
	}
	peer.data(t, first, 1, false)
	if credit := peer.creditsBeforePong(t)[second]; credit != piece+64 {
		t.Error("after the first is whole, a credit of", credit)
	}
}
