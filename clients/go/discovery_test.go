package dswarm_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/discovery"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/status"
)

// freeUDPPort is one that nobody uses, for a test to have the group to itself.
func freeUDPPort(t *testing.T) int {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func TestANodeIsDiscoveredAndCalledAndForgotten(t *testing.T) {
	port, ctx := freeUDPPort(t), testContext(t)
	heard, err := discovery.Listen(discovery.Options{Network: "go-discovery", UDPPort: port})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	other, err := discovery.Listen(discovery.Options{Network: "go-another", UDPPort: port})
	if err != nil {
		t.Fatal("a second listener at the port:", err)
	}
	defer other.Close()
	n := startNode(t, fmt.Sprintf(`{"network":"go-discovery","discovery":{"udpPort":%d,"intervalMs":100}}`, port))
	address, err := heard.Wait(ctx, nil)
	if err != nil || address.String() != n.address {
		t.Fatalf("%v, not %s: %v", address, n.address, err)
	}
	conn, err := dswarm.DialAddress(ctx, address, dswarm.Options{Network: "go-discovery"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := echo.NewEchoServiceClient(conn).Echo(ctx, &echo.EchoRequest{Payload: []byte("hello")})
	if err != nil || string(answer.GetPayload()) != "hello" {
		t.Error(answer, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for other.Counts()["dropped.network"] == 0 {
		if ctx.Err() != nil {
			t.Fatal("the other network has not heard the node")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(other.Peers()) != 0 {
		t.Error("a node of another network is known")
	}
	n.stdin.Close() // it leaves
	for len(heard.Peers()) > 0 {
		if ctx.Err() != nil {
			t.Fatal("the node is not forgotten")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestListeningThatIsClosedOrNotPossibleSaysSo(t *testing.T) {
	if _, err := discovery.Listen(discovery.Options{Interface: "192.0.2.77"}); status.ReasonOf(err) != "interface_unknown" {
		t.Error(err)
	}
	heard, err := discovery.Listen(discovery.Options{UDPPort: freeUDPPort(t)})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := heard.Wait(short, nil); status.CodeOf(err) != status.DeadlineExceeded {
		t.Error(err)
	}
	time.AfterFunc(10*time.Millisecond, func() { heard.Close() })
	if _, err := heard.Wait(testContext(t), nil); status.ReasonOf(err) != "discovery_failed" {
		t.Error(err)
	}
	if err := heard.Close(); err != nil {
		t.Error(err)
	}
}
