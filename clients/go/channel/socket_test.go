package channel

import (
	"context"
	"encoding/binary"
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
			s.frames.floods.left, s.frames.floods.at = 500, time.Now().Add(time.Hour) // none is forgiven
			if err := readOn(s); status.ReasonOf(err) != "too_many_faults" {
				t.Error(err)
			}
		})
	}
}

func TestAMessageOfTooManyFragmentsEndsTheConnection(t *testing.T) {
	for _, size := range []int{0, 17} {
		s := dialed(t, func(ctx context.Context, ws *websocket.Conn) error {
			message, err := ws.Writer(ctx, websocket.MessageBinary)
			for err == nil {
				_, err = message.Write(make([]byte, size)) // a fragment each
			}
			return err
		})
		if err := readOn(s); status.ReasonOf(err) != "websocket_invalid" {
			t.Error(size, err)
		}
	}
}

func TestFramesAreCountedHoweverTheyAreSplit(t *testing.T) {
	stream := []byte("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n")
	for _, size := range []int{0, 15, 16, 125, 126, 65_535, 65_536} {
		frame := []byte{0x82, byte(size)}
		if size > 65_535 {
			frame = binary.BigEndian.AppendUint64([]byte{0x82, 127}, uint64(size))
		} else if size > 125 {
			frame = binary.BigEndian.AppendUint16([]byte{0x82, 126}, uint16(size))
		}
		stream = append(append(stream, frame...), make([]byte, size)...)
	}
	stream = append(stream, 0x89, 1, 'x', 0x02, 16)
	for _, step := range []int{1, 2, 3, 7, 100, len(stream)} {
		w := &watched{floods: newFloodBudget()}
		for at := 0; at < len(stream); at += step {
			if err := w.watch(stream[at:min(len(stream), at+step)]); err != nil {
				t.Fatal(step, err)
			}
		}
		if w.floods.left != maxFloods-3 || w.skip != 16 || w.fragments != 1 {
			t.Error(step, w.floods.left, w.skip, w.fragments)
		}
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
