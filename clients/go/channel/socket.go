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
	floods floodBudget
}

const (
	maxFloods       = 20_000 // pings, pongs and small messages at once
	floodsPerSecond = 5000   // that are forgiven
	smallBytes      = 16     // a message below this costs more to take in than it carries; no box is so small
)

// floodBudget counts what costs the reader work and brings it nothing. Of the goroutine that reads.
type floodBudget struct {
	left    float64
	at      time.Time
	isSpent bool
}

func newFloodBudget() floodBudget { return floodBudget{left: maxFloods, at: time.Now()} }

// take counts one, and says whether the budget bears it.
func (b *floodBudget) take() bool {
	if b.left < 1 {
		now := time.Now()
		b.left = min(maxFloods, b.left+now.Sub(b.at).Seconds()*floodsPerSecond)
		b.at = now
	}
	if b.left < 1 {
		b.isSpent = true
		return false
	}
	b.left--
	return true
}

// countControl counts a ping or a pong, and ends the connection when there are too many. It says whether to answer.
func (s *socket) countControl() bool {
	if s.floods.take() {
		return true
	}
	_ = s.tcp.Close() // Read returns next
	return false
}

// Read reads of one message. Errors websocket_text, websocket_too_large, too_many_faults, and those of the websocket.
func (s *socket) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		kind, message, err := s.ws.Read(context.Background()) // Close ends it
		if err == nil && len(message) < smallBytes {
			s.countControl()
		}
		switch {
		case s.floods.isSpent:
			return 0, status.Fail("too_many_faults", "on the websocket", err)
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
