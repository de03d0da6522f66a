package dswarm_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/dht"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// dhtClient is a client with keys of its own.
func dhtClient(t *testing.T, bootstrap ...string) *dht.Client {
	return dhtClientWith(t, dswarm.Options{}, bootstrap...)
}

func dhtClientWith(t *testing.T, options dswarm.Options, bootstrap ...string) *dht.Client {
	client, err := dht.NewClient(bootstrap, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// hostOf is the "HOST:PORT" of a node.
func hostOf(t *testing.T, n *node) string {
	address, err := identity.ParseAddress(n.address)
	if err != nil {
		t.Fatal(err)
	}
	return address.Host
}

// awaitAcquaintance waits until a node has another in its routing table.
func awaitAcquaintance(t *testing.T, n, other *node) {
	wanted, err := identity.ParseAddress(other.address)
	if err != nil {
		t.Fatal(err)
	}
	client, ctx := pb.NewDhtServiceClient(dial(t, n, dswarm.Options{})), testContext(t)
	for {
		answer, err := client.FindNode(ctx, &pb.FindNodeRequest{Target: wanted.ID[:]})
		if err != nil {
			t.Fatal("the nodes do not come to know one another:", err)
		}
		for _, contact := range answer.GetContacts() {
			if bytes.Equal(contact.GetId(), wanted.ID[:]) {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestTheDHTOfTypeScriptNodesKeepsWhatGoPuts(t *testing.T) {
	first, ctx := startNode(t, quiet), testContext(t)
	second := startNode(t, fmt.Sprintf(`{"discovery":false,"bootstrap":[%q]}`, first.address))
	awaitAcquaintance(t, first, second)
	awaitAcquaintance(t, second, first)
	keys := identity.GenerateKeys()
	writer := dhtClientWith(t, dswarm.Options{Keys: keys}, first.address)
	reader := dhtClient(t, second.address)

	for _, size := range []int{0, 5, 65_536} {
		value := bytes.Repeat([]byte("v"), size)
		published, err := writer.Put(ctx, value)
		key := published.Key
		if err != nil || key != identity.KeyOfValue(value) || len(published.Replicas) == 0 {
			t.Fatal(published, err)
		}
		if found, err := reader.Get(ctx, key); err != nil || !bytes.Equal(found.Value, value) || found.Sequence != nil {
			t.Fatalf("%d bytes: %d, %v", size, len(found.Value), err)
		}
	}
	if _, err := reader.Get(ctx, identity.KeyOfName("nothing")); status.ReasonOf(err) != "record_not_found" {
		t.Error("nothing:", err)
	}
	if _, err := writer.Put(ctx, make([]byte, 65_537)); status.ReasonOf(err) != "record_too_large" {
		t.Error("a value that is too large:", err)
	}

	var sequence uint64
	for i, value := range []string{"one", "two"} {
		updated, err := writer.Update(ctx, []byte(value), dht.UpdateOptions{Salt: []byte("salt"), ExpectedSequence: &sequence})
		key, now := updated.Key, updated.Sequence
		if err != nil || now != uint64(i+1) || key != identity.KeyOfSigner(writer.ID(), []byte("salt")) {
			t.Fatal(key, now, err)
		}
		found, err := reader.Get(ctx, key)
		if err != nil || string(found.Value) != value || *found.Sequence != now {
			t.Fatal(found, err)
		}
		sequence = now
	}
	wrong := sequence + 5
	_, err := writer.Update(ctx, nil, dht.UpdateOptions{Salt: []byte("salt"), ExpectedSequence: &wrong})
	if status.ReasonOf(err) != "record_conflict" {
		t.Error("another sequence than the expected one:", err)
	}

	key := identity.KeyOfName("something")
	if found, err := reader.FindProviders(ctx, key); err != nil || len(found) != 0 {
		t.Error("before any provides it:", found, err)
	}
	for address, reason := range map[string]string{"127.0.0.1:1": "unreachable", hostOf(t, first): "authentication_failed"} {
		if _, err := writer.Provide(ctx, key, []string{address}); status.ReasonOf(err) != reason {
			t.Error("an address at which nobody has the key:", err)
		}
	}
	if found, err := reader.FindProviders(ctx, key); err != nil || len(found) != 0 {
		t.Error("an address is published at which nobody has the key:", found, err)
	}
	// The client listens nowhere; a node with its key does.
	own := hostOf(t, startNode(t, fmt.Sprintf(`{"discovery":false,"dht":{"isClient":true},"seed":"%x"}`, keys.Seed())))
	if _, err := writer.Provide(ctx, key, []string{own}); err != nil {
		t.Fatal(err)
	}
	found, err := reader.FindProviders(ctx, key)
	want := []dht.Provider{{ID: writer.ID(), Addresses: []string{own}}}
	if err != nil || fmt.Sprint(found) != fmt.Sprint(want) {
		t.Error(found, err)
	}
	last := uint64(0)
	for range 5 {
		published, err := writer.Provide(ctx, key, []string{own})
		if err != nil || published.Sequence <= last {
			t.Fatalf("sequence %d after %d, %v", published.Sequence, last, err)
		}
		last = published.Sequence
	}
	if _, err := writer.Provide(ctx, key, []string{"a.example:1"}); status.ReasonOf(err) != "record_invalid" {
		t.Error("a provider at a name:", err)
	}
}

func TestADHTThatCannotBeReachedSaysWhy(t *testing.T) {
	id, ctx := identity.GenerateKeys().ID(), testContext(t)
	client := dhtClient(t, "dswarm://"+id.Base64URL()+"@127.0.0.1:1")
	if _, err := client.Get(ctx, identity.KeyOfName("any")); status.ReasonOf(err) != "unreachable" {
		t.Error(err)
	}
	if _, err := client.FindProviders(ctx, identity.KeyOfName("any")); status.ReasonOf(err) != "unreachable" {
		t.Error("nobody there:", err)
	}
	if _, err := client.Put(ctx, nil); status.ReasonOf(err) != "unreachable" {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Put(ctx, nil); status.ReasonOf(err) != "link_closed" {
		t.Error("after closing:", err)
	}
	if _, err := dht.NewClient([]string{"127.0.0.1:1"}, dswarm.Options{}); status.ReasonOf(err) != "address_invalid" {
		t.Error(err)
	}
}

// awaitNeighbours waits until a node has so many others in its routing table.
func awaitNeighbours(t *testing.T, n *node, count int) {
	client, ctx := pb.NewDhtServiceClient(dial(t, n, dswarm.Options{})), testContext(t)
	for {
		answer, err := client.FindNode(ctx, &pb.FindNodeRequest{Target: make([]byte, 32)})
		if err != nil {
			t.Fatal("the nodes do not come to know one another:", err)
		}
		if len(answer.GetContacts()) == count {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// checkKept fails unless each of the nodes itself keeps what is under a key.
func checkKept(t *testing.T, nodes []*node, key identity.RecordKey) {
	t.Helper()
	for i, n := range nodes {
		client := pb.NewDhtServiceClient(dial(t, n, dswarm.Options{}))
		answer, err := client.FindValue(testContext(t), &pb.FindValueRequest{Key: key[:]})
		if err != nil || len(answer.GetRecords()) != 1 {
			t.Errorf("node %d has %d records, %v", i, len(answer.GetRecords()), err)
		}
	}
}

func TestNodesPassOnWhatGoPutsToThoseThatItIsNotConnectedWith(t *testing.T) {
	nodes := []*node{startNode(t, quiet)}
	for len(nodes) < 8 {
		nodes = append(nodes, startNode(t, fmt.Sprintf(`{"discovery":false,"bootstrap":[%q]}`, nodes[0].address)))
	}
	for _, n := range nodes {
		awaitNeighbours(t, n, len(nodes)-1)
	}
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, echoServer{})
	client := dhtClientWith(t, dswarm.Options{RPC: rpc.Options{Server: server}}, nodes[0].address)
	published, err := client.Put(testContext(t), []byte("a value"))
	if err != nil || len(published.Replicas) != len(nodes) {
		t.Fatal(published, err)
	}
	checkKept(t, nodes, published.Key)
	// A node can call the client only on a connection that the client has made.
	connected := 0
	for _, n := range nodes {
		fmt.Fprintln(n.stdin, "call", client.ID().Base64URL())
		if n.line(t) == "called" {
			connected++
		}
	}
	if connected < 4 || connected >= len(nodes) {
		t.Errorf("the client has connections with %d of %d nodes", connected, len(nodes))
	}
}

func TestNodesThatPassOnToNobodyLoseNothingThatGoPuts(t *testing.T) {
	var nodes []*node
	var addresses []string
	for range 6 {
		n := startNode(t, quiet) // which knows no other
		nodes, addresses = append(nodes, n), append(addresses, n.address)
	}
	client := dhtClient(t, addresses...)
	published, err := client.Put(testContext(t), []byte("a value"))
	if err != nil || len(published.Replicas) != len(nodes) {
		t.Fatal(published, err)
	}
	checkKept(t, nodes, published.Key)
}
