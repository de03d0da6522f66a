// Command echo calls EchoService of a node at "dswarm://KEY@HOST:PORT", by one message and by a stream of answers.
//
//	node_modules/.bin/node clients/go/testdata/echo-node.ts      in the root of the repository: prints its address
//	go run -C clients/go ./examples/echo ADDRESS hello           in another terminal
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: echo ADDRESS TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1], []byte(os.Args[2])); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string, text []byte) error {
	conn, err := dswarm.Dial(ctx, address, dswarm.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	client := echo.NewEchoServiceClient(conn)
	answer, err := client.Echo(ctx, &echo.EchoRequest{Payload: text})
	if err != nil {
		return err
	}
	fmt.Printf("%s answers %q\n", conn.RemoteID(), answer.GetPayload())
	stream, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: text, Count: 3})
	if err != nil {
		return err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Printf("%d %q\n", part.GetIndex(), part.GetPayload())
	}
}
