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
	encoded, err := frame.Append(nil, &pb.Frame{StreamId: id, Body: &pb.Frame_Data{Data: &pb.Data{
		Payload: make([]byte, bytes), More: more,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, encoded)
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

func TestAnswersThatAreCanceledUnreadGiveTheirCreditBack(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{MaxUnconsumedBytes: 64 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var streams []rpc.ServerStreamingClient[echo.RepeatResponse]
	for range 5 {
		stream, id := repeating(t, ctx, conn, peer)
		streams = append(streams, stream)
		peer.data(t, id, piece, false)
	}
	if credits := peer.creditsBeforePong(t); len(credits) != 0 {
		t.Fatal("credit in spite of what nobody reads:", credits)
	}
	cancel()
	// Each is canceled in its own time.
	canceled, credit := 0, uint32(0)
	peer.next(t, func(f *pb.Frame) bool {
		if f.GetCancel() != nil {
			canceled++
		}
		if f.GetStreamId() == 0 && credit == 0 {
			credit = f.GetCredit().GetBytes()
		}
		return canceled == len(streams) && credit > 0
	})
	if credit < 4*(piece+64) {
		t.Error("credit of", credit)
	}
	if _, err := streams[0].Recv(); status.CodeOf(err) != status.Canceled {
		t.Error("a canceled call:", err)
	}
}

func TestALaterMessageGetsCreditForItsPiecesWhenItIsAskedFor(t *testing.T) {
	conn, peer := connect(t, true, rpc.Options{})
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
	conn, peer := connect(t, true, rpc.Options{MaxUnconsumedBytes: 64 << 10})
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
