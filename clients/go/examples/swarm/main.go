// Command swarm hears the nodes of this machine for six seconds, pings each, and has their DHT keep a value.
//
//	npm start                                   in the root of the repository; in another terminal:
//	go run -C clients/go ./examples/swarm
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/dht"
	"github.com/dswarm/dswarm/clients/go/discovery"
	"github.com/dswarm/dswarm/clients/go/identity"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	heard, err := discovery.Listen(discovery.Options{})
	if err != nil {
		return err
	}
	defer heard.Close()
	first, err := heard.Wait(ctx, nil)
	if err != nil {
		return fmt.Errorf("no node is heard: %w", err)
	}
	time.Sleep(6 * time.Second) // a node announces itself every five seconds, give or take one
	for _, peer := range heard.Peers() {
		if err := ping(ctx, peer); err != nil {
			fmt.Println(peer.ID, err)
		}
	}
	return putAndGet(ctx, first)
}

func ping(ctx context.Context, peer discovery.Peer) error {
	conn, err := dswarm.DialAddress(ctx, identity.Address{ID: peer.ID, Host: peer.Addresses[0]}, dswarm.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	rtt, err := conn.Ping(ctx)
	if err == nil {
		fmt.Printf("%s  %s  %.2f ms\n", peer.ID, peer.Addresses[0], float64(rtt.Microseconds())/1000)
	}
	return err
}

func putAndGet(ctx context.Context, first identity.Address) error {
	client, err := dht.NewClient([]string{first.String()}, dswarm.Options{})
	if err != nil {
		return err
	}
	defer client.Close()
	published, err := client.Put(ctx, []byte("a value from Go"))
	if err != nil {
		return err
	}
	fmt.Println("put", published.Key)
	found, err := client.Get(ctx, published.Key)
	if err != nil {
		return err
	}
	fmt.Printf("got %q\n", found.Value)
	return nil
}
