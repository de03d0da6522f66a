package channel

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/dswarm/dswarm/clients/go/status"
)

// socket is the byte stream that the binary messages of a websocket carry. Messages are read whole, at most 1 MiB each, so that
// one that is too large is refused for that.
type socket struct {
	ws     *websocket.Conn
	tcp    net.Conn // below TLS
	rest   []byte
	shuts  sync.Once
	frames *watched // below the websocket, above TLS
}

// Read reads of one message. Errors websocket_text, websocket_too_large, websocket_invalid, too_many_faults, and those of the websocket.
func (s *socket) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		kind, message, err := s.ws.Read(context.Background()) // Close ends it
		switch {
		case errors.Is(err, websocket.ErrMessageTooBig):
			return 0, status.TooLargeSoFar("websocket_too_large", maxMessage+1, maxMessage).WithCause(err)
		case err != nil:
			return 0, err
		case kind != websocket.MessageBinary:
			return 0, status.Fail("websocket_text", "", nil)
		}
		s.rest = message
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Write sends a message.
func (s *socket) Write(p []byte) (int, error) {
	return len(p), s.ws.Write(context.Background(), websocket.MessageBinary, p)
}

// Close ends the connection at once.
func (s *socket) Close() error {
	err := s.tcp.Close() // CloseNow would wait for a Shut that is under way
	_ = s.ws.CloseNow()
	return err
}

// Shut closes the websocket with code 1000 after what was written. It returns at once. What comes meanwhile is dropped: closed with
// bytes unread, TCP would take from the peer what it has not read. The peer has closeTimeout to close as well.
func (s *socket) Shut() error {
	s.shuts.Do(func() {
		time.AfterFunc(closeTimeout, func() { _ = s.tcp.Close() })
		go func() {
			_ = s.ws.Close(websocket.StatusNormalClosure, "") // how the peer closes changes nothing any more
			_ = s.tcp.Close()
		}()
	})
	return nil
}
