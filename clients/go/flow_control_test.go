package dswarm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/rpc"
)

// What a stream may hold of messages of at most 60,000 bytes that nobody reads: the first whole, and a window.
const unreadBytes = 60_064 + 73_728

// assertServes fails unless a stream and a large call come through.
func assertServes(t *testing.T, client echo.EchoServiceClient) {
	t.Helper()
	ctx := testContext(t)
	stream, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: []byte("x"), Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	answer, err := client.Echo(ctx, &echo.EchoRequest{Payload: make([]byte, 100_000)})
	if err != nil || len(answer.GetPayload()) != 100_000 {
		t.Fatal(err)
	}
}

// A flow control that waits for readers would hold this program up for ever.
func TestReadersThatCallTheSamePeerForEachMessageComeToTheirEnd(t *testing.T) {
	client, ctx := echo.NewEchoServiceClient(dial(t, startNode(t, quiet), dswarm.Options{})), testContext(t)
	const readers, messages = 40, 8
	failures := make(chan error, readers)
	var done sync.WaitGroup
	for range readers {
		done.Go(func() { failures <- readAndEcho(ctx, client, messages) })
	}
	done.Wait()
	for range readers {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
}

func readAndEcho(ctx context.Context, client echo.EchoServiceClient, messages int) error {
	stream, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: make([]byte, 60_000), Count: uint32(messages)})
	if err != nil {
		return err
	}
	for count := 0; ; count++ {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) && count == messages {
			return nil
		} else if err != nil {
			return fmt.Errorf("after %d messages: %w", count, err)
		}
		if _, err := client.Echo(ctx, &echo.EchoRequest{Payload: make([]byte, 100_000)}); err != nil {
			return err
		}
	}
}

func TestStreamsThatNobodyReadsHoldUpNoOthers(t *testing.T) {
	n := startNode(t, quiet)
	// A node counts the requests of its handlers: a thousand of 60,000 bytes would be over its share.
	for unread, size := range map[int]int{36: 60_000, 1000: 9000} {
		conn := dial(t, n, dswarm.Options{})
		client := echo.NewEchoServiceClient(conn)
		ctx, cancel := context.WithCancel(testContext(t))
		for range unread {
			if _, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: make([]byte, size), Count: 1000}); err != nil {
				t.Fatal(err)
			}
		}
		awaitUnread(t, conn, unread*54_000)
		assertServes(t, client)
		if held := conn.UnreadBytes(); held > (unread+2)*unreadBytes+8<<20 {
			t.Errorf("%d unread streams hold %d bytes", unread, held)
		}
		cancel()
		assertServes(t, client)
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func awaitUnread(t *testing.T, conn *rpc.Conn, bytes int) {
	t.Helper()
	for start := time.Now(); conn.UnreadBytes() < bytes; time.Sleep(time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatal("only", conn.UnreadBytes(), "bytes have come")
		}
	}
}
