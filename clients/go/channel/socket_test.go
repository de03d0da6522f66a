package channel

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/dswarm/dswarm/clients/go/status"
)

// dialed is a socket whose listener does what a test says once it has accepted the websocket.
func dialed(t *testing.T, act func(ctx context.Context, ws *websocket.Conn) error) *socket {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		_ = act(r.Context(), ws) // it fails when the other end has had enough
		_ = ws.CloseNow()
	}))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := dialWebsocket(ctx, strings.TrimPrefix(server.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// readOn reads until there is an error.
func readOn(s *socket) error {
	for buffer := make([]byte, 4096); ; {
		if _, err := s.Read(buffer); err != nil {
			return err
		}
	}
}

func TestAMessageOverTheLimitSaysHowLargeItIsAtLeast(t *testing.T) {
	s := dialed(t, func(ctx context.Context, ws *websocket.Conn) error {
		return ws.Write(ctx, websocket.MessageBinary, make([]byte, maxMessage+7))
	})
	err := readOn(s)
	if status.ReasonOf(err) != "websocket_too_large" || !errors.Is(err, websocket.ErrMessageTooBig) ||
		!strings.HasSuffix(err.Error(), "over the size limit: at least 1048577 bytes, the limit is 1048576") {
		t.Error(err)
	}
}

func TestAFloodOnTheWebsocketEndsTheConnection(t *testing.T) {
	for name, one := range map[string]func(ctx context.Context, ws *websocket.Conn) error{
		"empty messages": func(ctx context.Context, ws *websocket.Conn) error {
			return ws.Write(ctx, websocket.MessageBinary, nil)
		},
		"small messages": func(ctx context.Context, ws *websocket.Conn) error {
			return ws.Write(ctx, websocket.MessageBinary, []byte("small"))
		},
		"pings": func(ctx context.Context, ws *websocket.Conn) error { return ws.Ping(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			s := dialed(t, func(ctx context.Context, ws *websocket.Conn) error {
				if name == "pings" {
					ctx = ws.CloseRead(ctx) // a ping waits for its pong
				}
				for {
					if err := one(ctx, ws); err != nil {
						return err
					}
				}
			})
			s.floods.left, s.floods.at = 500, time.Now().Add(time.Hour) // none is forgiven
			if err := readOn(s); status.ReasonOf(err) != "too_many_faults" {
				t.Error(err)
			}
		})
	}
}

func TestAFewPingsAndSmallMessagesAreBorne(t *testing.T) {
	s := dialed(t, func(ctx context.Context, ws *websocket.Conn) error {
		reading := ws.CloseRead(ctx)
		for range 200 {
			if err := errors.Join(ws.Ping(reading), ws.Write(ctx, websocket.MessageBinary, []byte("x"))); err != nil {
				return err
			}
		}
		return ws.Write(ctx, websocket.MessageBinary, []byte(strings.Repeat("y", smallBytes)))
	})
	var got []byte
	for buffer := make([]byte, 4096); len(got) < 200+smallBytes; {
		n, err := s.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buffer[:n]...)
	}
	if string(got) != strings.Repeat("x", 200)+strings.Repeat("y", smallBytes) {
		t.Errorf("%q", got)
	}
}
