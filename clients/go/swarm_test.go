package dswarm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/health"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/reflection"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
	"github.com/dswarm/dswarm/clients/go/swarm"
)

func newSwarm(t *testing.T, opts dswarm.Options, bootstrap ...string) *swarm.Swarm {
	t.Helper()
	s, err := swarm.New(bootstrap, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (n *node) say(t *testing.T, command string) string {
	t.Helper()
	fmt.Fprintln(n.stdin, command)
	return n.line(t)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	for start := time.Now(); !isSo(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > 60*time.Second {
			t.Fatal("waited in vain until", what)
		}
	}
}

func servingOptions(keys *identity.Keys) dswarm.Options {
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, echoServer{})
	health.Register(server)
	reflection.Register(server)
	return dswarm.Options{Keys: keys, RPC: rpc.Options{Server: server}}
}

func TestPeersAreCalledByKeyAloneAndByWhatTheyProvide(t *testing.T) {
	first, ctx := startNode(t, quiet), testContext(t)
	second := startNode(t, fmt.Sprintf(`{"discovery":false,"bootstrap":[%q]}`, first.address))
	if answer := second.say(t, "provide"); answer != "provided" {
		t.Fatal(answer)
	}
	address, err := identity.ParseAddress(second.address)
	if err != nil {
		t.Fatal(err)
	}
	s := newSwarm(t, dswarm.Options{}, first.address)
	eventually(t, "the first node knows the second", func() bool {
		hosts, err := s.DHT().FindPeer(ctx, address.ID)
		return err == nil && len(hosts) > 0
	})
	peers := []*swarm.Peer{s.Provider("dswarm.example.v1.EchoService")}
	for _, who := range []string{address.ID.String(), second.address} {
		peer, err := s.Peer(who)
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, peer)
	}
	var conns []*rpc.Conn
	for _, peer := range peers {
		answer, err := echo.NewEchoServiceClient(peer).Echo(ctx, &echo.EchoRequest{Payload: []byte("hello")})
		if err != nil || string(answer.GetPayload()) != "hello" {
			t.Fatal(answer, err)
		}
		conn, err := peer.Conn(ctx)
		if err != nil || conn.RemoteID() != address.ID {
			t.Fatal("another peer:", err)
		}
		conns = append(conns, conn)
	}
	// A node keeps only the newest connection of a key.
	if conns[0] != conns[1] || conns[1] != conns[2] {
		t.Error("one node has several connections")
	}
	nobody, err := s.Peer(identity.GenerateKeys().ID().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, peer := range []*swarm.Peer{nobody, s.Provider("example.Nobody")} {
		if _, err := peer.Conn(ctx); status.ReasonOf(err) != "unreachable" {
			t.Error("nobody:", err)
		}
	}
}

func TestAServiceAndCallsAreThereAgainAfterTheNodeWas(t *testing.T) {
	keys, ctx := identity.GenerateKeys(), testContext(t)
	nodeKeys := identity.GenerateKeys()
	options := fmt.Sprintf(`{"discovery":false,"seed":"%x"`, nodeKeys.Seed())
	n := startNode(t, options+"}")
	s := newSwarm(t, servingOptions(keys), n.address)
	if err := s.Serve(ctx); err != nil || !s.IsServing() {
		t.Fatal("it serves nothing:", err)
	}
	if answer := n.say(t, "call "+keys.ID().String()); answer != "called" {
		t.Fatal(answer)
	}
	peer, err := s.Peer(n.address)
	if err != nil {
		t.Fatal(err)
	}
	before, err := peer.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n.stdin.Close()
	<-before.Done()
	port := n.address[strings.LastIndexByte(n.address, ':')+1:]
	again := startNode(t, options+`,"port":`+port+"}")
	eventually(t, "it serves again", s.IsServing)
	if answer := again.say(t, "call "+keys.ID().String()); answer != "called" {
		t.Fatal(answer)
	}
	eventually(t, "a call succeeds again", func() bool {
		_, err := echo.NewEchoServiceClient(peer).Echo(ctx, &echo.EchoRequest{})
		return err == nil
	})
}

func TestInterceptorsRunAroundCallsAndHandlersTheFirstOutermost(t *testing.T) {
	keys, n, ctx := identity.GenerateKeys(), startNode(t, quiet), testContext(t)
	var seen []string
	noting := func(name string) rpc.ClientInterceptor {
		return func(ctx context.Context, method string, next func(context.Context) error) error {
			md, _ := metadata.FromOutgoingContext(ctx)
			err := next(metadata.NewOutgoingContext(ctx, metadata.Join(md, metadata.Pairs("x-by", name))))
			seen = append(seen, name+" "+method+" "+status.CodeOf(err).String())
			return err
		}
	}
	opts := servingOptions(keys)
	opts.RPC.Interceptors = []rpc.ClientInterceptor{noting("a"), noting("b")}
	opts.RPC.ServerInterceptors = []rpc.ServerInterceptor{
		func(_ context.Context, method string, _ func(context.Context) error) error {
			return status.Errorf(status.PermissionDenied, "no token for %s", method)
		},
	}
	client := echo.NewEchoServiceClient(dial(t, n, opts))
	var header metadata.MD
	if _, err := client.Echo(ctx, &echo.EchoRequest{}, rpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	if by := strings.Join(header["x-by"], ", "); by != "a, b" {
		t.Error("metadata of interceptors:", header)
	}
	want := []string{"b dswarm.example.v1.EchoService/Echo ok", "a dswarm.example.v1.EchoService/Echo ok"}
	if !slices.Equal(seen, want) {
		t.Error(seen)
	}
	if answer := n.say(t, "call "+keys.ID().String()); !strings.Contains(answer, "no token for dswarm.example.v1.EchoService/Echo") {
		t.Error(answer)
	}
}
