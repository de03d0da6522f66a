// A Go program in a swarm: serves EchoService on its connection, and calls others through the node that it is connected to.
//
// Arguments: the node's address and network. Prints its id; for each line "KEY WORDS" on stdin it has Echo and Converse of that
// peer answer the words, and prints the answers.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/rpc"
)

const patience = 20 * time.Second

// member says who has answered.
type member struct {
	echo.UnimplementedEchoServiceServer
}

func signed(payload []byte) []byte { return append(payload, " by Go"...) }

func (member) Echo(_ context.Context, in *echo.EchoRequest) (*echo.EchoResponse, error) {
	return &echo.EchoResponse{Payload: signed(in.GetPayload())}, nil
}

func (member) Converse(stream rpc.BidiStreamingServer[echo.ConverseRequest, echo.ConverseResponse]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&echo.ConverseResponse{Payload: signed(in.GetPayload())}); err != nil {
			return err
		}
	}
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func run(address, network string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, member{})
	keys := identity.GenerateKeys()
	conn, err := dswarm.Dial(ctx, address, dswarm.Options{Keys: keys, Network: network, RPC: rpc.Options{Server: server}})
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Println(keys.ID())
	client := echo.NewEchoServiceClient(conn)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		peer, words, _ := strings.Cut(lines.Text(), " ")
		answers, err := ask(client, peer, []byte(words))
		if err != nil {
			fmt.Println("failed:", err)
			continue
		}
		fmt.Println(strings.Join(answers, ", "))
	}
	return lines.Err()
}

// ask calls Echo and Converse of a peer.
func ask(client echo.EchoServiceClient, peer string, words []byte) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx = metadata.NewOutgoingContext(ctx, metadata.Pairs("peer", peer))
	answer, err := client.Echo(ctx, &echo.EchoRequest{Payload: words})
	if err != nil {
		return nil, err
	}
	answers := []string{string(answer.GetPayload())}
	stream, err := client.Converse(ctx)
	if err != nil {
		return nil, err
	}
	for range 2 {
		if err := stream.Send(&echo.ConverseRequest{Payload: words}); err != nil {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	for {
		each, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return answers, nil
		}
		if err != nil {
			return nil, err
		}
		answers = append(answers, string(each.GetPayload()))
	}
}
