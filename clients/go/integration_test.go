package dswarm_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// node is a TypeScript node in a process of its own.
type node struct {
	address string
	stdin   io.WriteCloser
	lines   *bufio.Scanner
}

// startNode starts testdata/echo-node.ts with options of createNode as JSON. It is gone when the test is.
func startNode(t testing.TB, options string) *node {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(root, "node_modules", ".bin")
	program, err := exec.LookPath(filepath.Join(bin, "node"))
	if err != nil {
		t.Skip("no Node in node_modules/.bin: run npm install in the root of the repository")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second) // kills it by its id
	cmd := exec.CommandContext(ctx, program, "testdata/echo-node.ts", options)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{stdin: stdin, lines: bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		stdin.Close()
		timer := time.AfterFunc(10*time.Second, cancel)
		cmd.Wait() // its status after a kill says nothing
		timer.Stop()
		cancel()
	})
	n.address = n.line(t)
	return n
}

func (n *node) line(t testing.TB) string {
	t.Helper()
	if !n.lines.Scan() {
		t.Fatal("the node has ended")
	}
	return n.lines.Text()
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, n *node, opts dswarm.Options) *rpc.Conn {
	t.Helper()
	conn, err := dswarm.Dial(testContext(t), n.address, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const quiet = `{"discovery":false}`

func TestCallsOfAllKindsReachATypeScriptNode(t *testing.T) {
	conn := dial(t, startNode(t, quiet), dswarm.Options{})
	client, ctx := echo.NewEchoServiceClient(conn), testContext(t)
	sizes := []int{0, 1, 4096, 69_000, 69_632, 70_000, 1 << 20, 10 << 20}
	for _, size := range sizes {
		payload := bytes.Repeat([]byte{byte(size % 251)}, size)
		answer, err := client.Echo(ctx, &echo.EchoRequest{Payload: payload})
		if err != nil || !bytes.Equal(answer.GetPayload(), payload) {
			t.Fatalf("echo of %d bytes: %d, %v", size, len(answer.GetPayload()), err)
		}
	}
	repeat, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: make([]byte, 50_000), Count: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i := uint32(0); ; i++ {
		answer, err := repeat.Recv()
		if errors.Is(err, io.EOF) && i == 100 {
			break
		}
		if err != nil || answer.GetIndex() != i {
			t.Fatalf("answer %d: %v, %v", i, answer.GetIndex(), err)
		}
	}
	collect, err := client.Collect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := collect.Send(&echo.CollectRequest{Payload: make([]byte, 50_000)}); err != nil {
			t.Fatal(err)
		}
	}
	collected, err := collect.CloseAndRecv()
	if err != nil || collected.GetCount() != 100 || collected.GetBytes() != 5_000_000 {
		t.Fatal(collected, err)
	}
	converse, err := client.Converse(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		if err := converse.Send(&echo.ConverseRequest{Payload: make([]byte, size)}); err != nil {
			t.Fatal(err)
		}
		if answer, err := converse.Recv(); err != nil || len(answer.GetPayload()) != size {
			t.Fatal(len(answer.GetPayload()), err)
		}
	}
	if err := converse.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := converse.Recv(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal("the end was not orderly:", err)
	}
}

func TestMetadataStatusDeadlinesAndCancelsReachATypeScriptNode(t *testing.T) {
	conn := dial(t, startNode(t, quiet), dswarm.Options{})
	client, ctx := echo.NewEchoServiceClient(conn), testContext(t)
	md := metadata.Pairs("x-text", "some text", "x-bytes-bin", "\x00\xff\x80")
	var header, trailer metadata.MD
	_, err := client.Echo(metadata.NewOutgoingContext(ctx, md), &echo.EchoRequest{}, rpc.Header(&header), rpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []metadata.MD{header, trailer} {
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", md) {
			t.Errorf("%q came back as %q", md, got)
		}
	}
	if _, err = client.Echo(ctx, &echo.EchoRequest{Payload: []byte("fail")}); status.CodeOf(err) != status.Internal {
		t.Error("a handler that throws:", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err = client.Echo(short, &echo.EchoRequest{Payload: []byte("hang")}); status.CodeOf(err) != status.DeadlineExceeded {
		t.Error("a deadline:", err)
	}
	canceled, cancel := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err = client.Echo(canceled, &echo.EchoRequest{Payload: []byte("hang")}); status.CodeOf(err) != status.Canceled {
		t.Error("a cancel:", err)
	}
	err = conn.Invoke(ctx, "no.Service/Method", &echo.EchoRequest{}, &echo.EchoResponse{})
	if status.CodeOf(err) != status.Unimplemented {
		t.Error("a service that is not there:", err)
	}
	pong, err := pb.NewDhtServiceClient(conn).Ping(ctx, &pb.PingRequest{Nonce: []byte("nonce")})
	if err != nil || string(pong.GetNonce()) != "nonce" {
		t.Error("a ping of the DHT:", err)
	}
	if _, err := conn.Ping(ctx); err != nil {
		t.Error("a ping of the connection:", err)
	}
}

// echoServer serves the four kinds from Go.
type echoServer struct {
	echo.UnimplementedEchoServiceServer
}

func (echoServer) Echo(_ context.Context, in *echo.EchoRequest) (*echo.EchoResponse, error) {
	return &echo.EchoResponse{Payload: in.GetPayload()}, nil
}

func (echoServer) Repeat(in *echo.RepeatRequest, stream rpc.ServerStreamingServer[echo.RepeatResponse]) error {
	for i := range in.GetCount() {
		if err := stream.Send(&echo.RepeatResponse{Payload: in.GetPayload(), Index: i}); err != nil {
			return err
		}
	}
	return nil
}

func (echoServer) Collect(stream rpc.ClientStreamingServer[echo.CollectRequest, echo.CollectResponse]) error {
	sum := &echo.CollectResponse{}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(sum)
		}
		if err != nil {
			return err
		}
		sum.Count++
		sum.Bytes += uint64(len(in.GetPayload()))
	}
}

func (echoServer) Converse(stream rpc.BidiStreamingServer[echo.ConverseRequest, echo.ConverseResponse]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&echo.ConverseResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

func TestATypeScriptNodeCallsBackOnTheSameConnection(t *testing.T) {
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, echoServer{})
	keys, n := identity.GenerateKeys(), startNode(t, quiet)
	dial(t, n, dswarm.Options{Keys: keys, RPC: rpc.Options{Server: server}})
	fmt.Fprintf(n.stdin, "call %s\n", keys.ID())
	if answer := n.line(t); answer != "called" {
		t.Fatal(answer)
	}
}

func TestAServiceOutlivesTheIdleTimeOfItsNode(t *testing.T) {
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, echoServer{})
	keys, n := identity.GenerateKeys(), startNode(t, `{"discovery":false,"rpc":{"idleTimeoutMs":600}}`)
	idle := dial(t, n, dswarm.Options{RPC: rpc.Options{IdleTimeout: -1}})
	serving := dial(t, n, dswarm.Options{Keys: keys, RPC: rpc.Options{Server: server, IdleTimeout: 300 * time.Millisecond}})
	// The node has ended one that nobody uses, and the other has been there for as long.
	<-idle.Done()
	if !serving.IsUsable() {
		t.Fatal("the node ends a connection on which something is served:", serving.Err())
	}
	fmt.Fprintf(n.stdin, "call %s\n", keys.ID())
	if answer := n.line(t); answer != "called" {
		t.Fatal(answer)
	}
}

func TestWrongKeysAndNetworksAreRefused(t *testing.T) {
	n, ctx := startNode(t, quiet), testContext(t)
	to, err := identity.ParseAddress(n.address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = dswarm.Dial(ctx, n.address, dswarm.Options{Network: "another"})
	if status.ReasonOf(err) != "hello_invalid" || !strings.Contains(err.Error(), "another network") {
		t.Error("another network:", err)
	}
	to.ID = identity.GenerateKeys().ID()
	if _, err = dswarm.DialAddress(ctx, to, dswarm.Options{}); status.CodeOf(err) != status.Unauthenticated {
		t.Error("another key:", err)
	}
	to.Host = "127.0.0.1:1"
	if _, err = dswarm.DialAddress(ctx, to, dswarm.Options{}); status.FromError(err).Reason != "unreachable" {
		t.Error("nobody there:", err)
	}
}

// BenchmarkUnary is 32-byte echoes against a TypeScript node, 128 in flight.
func BenchmarkUnary(b *testing.B) {
	client := echo.NewEchoServiceClient(dial(b, startNode(b, quiet), dswarm.Options{}))
	payload := []byte(strings.Repeat("x", 32))
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var group sync.WaitGroup
	for range 128 {
		group.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := client.Echo(context.Background(), &echo.EchoRequest{Payload: payload}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
