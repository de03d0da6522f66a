package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// logged is what was logged, safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serverThat answers Echo by a handler alone.
func serverThat(handle func() error) *rpc.Server {
	server := rpc.NewServer()
	server.RegisterService(&rpc.ServiceDesc{ServiceName: "dswarm.example.v1.EchoService", Methods: []rpc.MethodDesc{
		{Name: "Echo", Unary: func(any, context.Context, func(any) error) (any, error) { return nil, handle() }},
	}}, nil)
	return server
}

func TestTheTextOfAHandlersUnexpectedErrorIsLoggedAndDoesNotTravel(t *testing.T) {
	for name, handle := range map[string]func() error{
		"plain":   func() error { return errors.New("a secret") },
		"wrapped": func() error { return fmt.Errorf("within: %w", errors.New("a secret")) },
		"panic":   func() error { panic("a secret") },
	} {
		log := &logged{}
		_, peer := connect(t, false, rpc.Options{Server: serverThat(handle), Logger: slog.New(slog.NewTextHandler(log, nil))})
		peer.open(t, 1, echoMethod, nil, true)
		if end := peer.endOf(t, 1); end.GetCode() != uint32(status.Internal) || end.GetMessage() != "internal error" {
			t.Error(name, end)
		}
		text := log.String()
		if !strings.Contains(text, "a secret") || !strings.Contains(text, echoMethod) {
			t.Errorf("%s logs %q", name, text)
		}
		if name == "panic" && !strings.Contains(text, "handler_errors_test.go") {
			t.Error("the log of a panic has no stack")
		}
	}
}

func TestAHandlersStatusTravelsAndIsNotLogged(t *testing.T) {
	for name, handle := range map[string]func() error{
		"status":   func() error { return status.Errorf(status.NotFound, "no such thing") },
		"wrapped":  func() error { return fmt.Errorf("a secret: %w", status.Errorf(status.NotFound, "no such thing")) },
		"deadline": func() error { return context.DeadlineExceeded },
	} {
		log := &logged{}
		_, peer := connect(t, false, rpc.Options{Server: serverThat(handle), Logger: slog.New(slog.NewTextHandler(log, nil))})
		peer.open(t, 1, echoMethod, nil, true)
		end := peer.endOf(t, 1)
		wanted, message := status.NotFound, "no such thing"
		if name == "deadline" {
			wanted, message = status.DeadlineExceeded, "the deadline has passed"
		}
		if end.GetCode() != uint32(wanted) || end.GetMessage() != message || log.String() != "" {
			t.Error(name, end, log.String())
		}
	}
}
