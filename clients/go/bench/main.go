// Command bench measures unary echoes of 32 bytes, 128 in flight on one connection: this client against a TypeScript node, and
// grpc-go's client against a grpc-go server over TLS 1.3, each server in a process of its own, in turns.
//
//	go run .                     in clients/go/bench; npm install in the root of the repository first
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
)

const (
	inFlight     = 128
	payloadBytes = 32
	rounds       = 5
	warmUp       = time.Second
	measured     = 3 * time.Second
)

// unary makes one call.
type unary func(context.Context, *echo.EchoRequest) (*echo.EchoResponse, error)

// result is of one round: calls a second, and microseconds of this process's CPU a call.
type result struct{ rate, cpu float64 }

func main() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == "grpc-server" {
		log.Fatal(serveGRPC())
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	bin, err := filepath.Abs("../../../node_modules/.bin")
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	node := exec.Command(filepath.Join(bin, "node"), "../testdata/echo-node.ts", `{"discovery":false}`)
	node.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	address, stopNode, err := start(node)
	if err != nil {
		return fmt.Errorf("the TypeScript node: %w", err)
	}
	defer stopNode()
	target, stopServer, err := start(exec.Command(self, "grpc-server"))
	if err != nil {
		return fmt.Errorf("the grpc-go server: %w", err)
	}
	defer stopServer()

	conn, err := dswarm.Dial(context.Background(), address, dswarm.Options{})
	if err != nil {
		return err
	}
	defer conn.Close()
	client := echo.NewEchoServiceClient(conn)
	grpcConn, grpcEcho, err := dialGRPC(target)
	if err != nil {
		return err
	}
	defer grpcConn.Close()

	names := []string{"dswarm Go client, TypeScript node", "grpc-go client, grpc-go server"}
	calls := []unary{func(ctx context.Context, in *echo.EchoRequest) (*echo.EchoResponse, error) {
		return client.Echo(ctx, in)
	}, grpcEcho}
	results := make([][]result, len(calls))
	for range rounds {
		for i, call := range calls {
			if _, err := measure(call, warmUp); err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			r, err := measure(call, measured)
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("%-35s %10s %26s\n", "medians of 5 rounds", "calls/s", "client's CPU, us a call")
	for i, name := range names {
		median := func(of func(result) float64) float64 {
			slices.SortFunc(results[i], func(a, b result) int { return int(1000 * (of(a) - of(b))) })
			return of(results[i][rounds/2])
		}
		fmt.Printf("%-35s %10.0f %26.1f\n", name, median(func(r result) float64 { return r.rate }),
			median(func(r result) float64 { return r.cpu }))
	}
	return nil
}

// start starts a server, which prints its address and ends with its stdin.
func start(cmd *exec.Cmd) (address string, stop func(), err error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	stop = func() {
		stdin.Close()
		go io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			log.Print(err)
		}
	}
	if err != nil {
		stop()
	}
	return strings.TrimSpace(line), stop, err
}

// measure calls for some time, and checks each answer.
func measure(call unary, duration time.Duration) (result, error) {
	ctx := context.Background()
	in := &echo.EchoRequest{Payload: []byte(strings.Repeat("x", payloadBytes))}
	var done atomic.Int64
	var failure atomic.Pointer[error]
	var group sync.WaitGroup
	start, before := time.Now(), cpuTime()
	for range inFlight {
		group.Go(func() {
			for time.Since(start) < duration && failure.Load() == nil {
				out, err := call(ctx, in)
				if err == nil && string(out.GetPayload()) != string(in.GetPayload()) {
					err = fmt.Errorf("another payload")
				}
				if err != nil {
					failure.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	group.Wait()
	if err := failure.Load(); err != nil {
		return result{}, *err
	}
	calls := float64(done.Load())
	return result{
		rate: calls / time.Since(start).Seconds(),
		cpu:  float64((cpuTime() - before).Microseconds()) / calls,
	}, nil
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
