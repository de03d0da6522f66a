// Command conformance drives this client through the cases of docs/conformance.md: commands on stdin, answers on stdout.
//
//	npm run conformance -- go -C clients/go run ./cmd/conformance
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/dswarm/dswarm/clients/go/dht"
	"github.com/dswarm/dswarm/clients/go/discovery"
	"github.com/dswarm/dswarm/clients/go/status"
)

// maxLineBytes bounds a command.
const maxLineBytes = 16 << 20

// command has the fields of all commands.
type command struct {
	ID          int64
	Do          string
	Text        string
	Address     string
	Network     *string
	NetworkKey  []byte
	Seed        []byte
	Serve       bool
	Options     dialOptions
	Connection  string
	Call        string
	Method      string
	Requests    []requestSpec
	Count       uint32
	Metadata    [][2]string
	TimeoutMs   int
	Paused      bool
	Hold        bool
	CancelAfter int
	UDPPort     int
	Discovery   string
	DHT         string
	Bootstrap   []string
	Key         []byte
	Value       []byte
	Salt        []byte
	// ExpectedSequence is a decimal number.
	ExpectedSequence string
}

type dialOptions struct {
	HandshakeTimeoutMs, MaxMessageBytes, MaxConcurrentStreams int
	KeepaliveIntervalMs, KeepaliveTimeoutMs, DrainTimeoutMs   int
	RequestTimeoutMs, WriteTimeoutMs                          int
}

type requestSpec struct {
	Text  *string
	Size  int
	Times int
}

type object map[string]any

// errUnsupported is the answer to what this adapter does not have.
var errUnsupported = fmt.Errorf("unsupported")

func main() {
	a := &adapter{
		connections: map[string]*connection{}, calls: map[string]*call{}, discoveries: map[string]*discovery.Discovery{},
		dhts: map[string]*dht.Client{},
		out:  json.NewEncoder(os.Stdout),
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLineBytes)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			fmt.Fprintln(os.Stderr, "not a command:", err)
			os.Exit(1)
		}
		a.begin(c)
	}
}

// adapter is all state that there is.
type adapter struct {
	mu          sync.Mutex
	connections map[string]*connection
	calls       map[string]*call
	discoveries map[string]*discovery.Discovery
	dhts        map[string]*dht.Client
	made        int // discoveries and DHTs so far
	outMu       sync.Mutex
	out         *json.Encoder
}

// begin starts a command. Calls are known when it returns, so that the commands that name them find them.
func (a *adapter) begin(c command) {
	var state *call
	if c.Do == "call" {
		state = newCall()
		a.mu.Lock()
		a.calls[c.Call] = state
		a.mu.Unlock()
	}
	go func() {
		ok, err := a.obey(c, state)
		answer := object{"id": c.ID, "ok": ok}
		if err != nil {
			answer = object{"id": c.ID, "error": object{"code": codeOf(err), "message": err.Error()}}
		}
		a.outMu.Lock()
		defer a.outMu.Unlock()
		if err := a.out.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}()
}

func codeOf(err error) string {
	if err == errUnsupported {
		return "unsupported"
	}
	if reason := status.ReasonOf(err); reason != "" {
		return reason
	}
	return "adapter"
}

// close ends whatever the command names.
func (a *adapter) close(c command) (object, error) {
	switch {
	case c.Discovery != "":
		return a.closeDiscovery(c)
	case c.DHT != "":
		return a.onDHT(c)
	default:
		return a.onConnection(c)
	}
}

func (a *adapter) obey(c command, state *call) (object, error) {
	switch c.Do {
	case "hello":
		return object{"name": "Go", "features": []string{"ids", "calls", "serve", "options", "timeouts", "discovery", "dht", "provide"}}, nil
	case "parseId":
		return parseID(c)
	case "parseAddress":
		return parseAddress(c)
	case "keyOfSeed":
		return keyOfSeed(c)
	case "dial":
		return a.dial(c)
	case "call":
		return a.call(c, state)
	case "discover":
		return a.discover(c)
	case "join":
		return a.join(c)
	case "put", "get", "update", "provide", "findProviders":
		return a.onDHT(c)
	case "peers":
		return a.peers(c)
	case "close":
		return a.close(c)
	case "closed", "stats", "release":
		return a.onConnection(c)
	case "resume", "finish", "cancel", "progress":
		return a.onCall(c)
	default:
		return nil, errUnsupported
	}
}
