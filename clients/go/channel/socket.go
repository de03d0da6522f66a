package channel

import (
	"context"
	"errors"

	"github.com/coder/websocket"

	"github.com/dswarm/dswarm/clients/go/status"
)

// socket is the byte stream that the binary messages of a websocket carry. Messages are read whole, at most 1 MiB each, so that
// one that is too large is refused for that.
type socket struct {
	ws   *websocket.Conn
	rest []byte
}

// Read reads of one message. Errors websocket_text, websocket_too_large, and those of the websocket.
func (s *socket) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		kind, message, err := s.ws.Read(context.Background()) // Close ends it
		switch {
		case errors.Is(err, websocket.ErrMessageTooBig):
			return 0, status.Fail("websocket_too_large", "", err)
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

// Close ends the websocket at once: the goodbye is in the box stream, so the closing handshake says nothing more.
func (s *socket) Close() error { return s.ws.CloseNow() }
