package channel

import (
	"bytes"
	"encoding/binary"
	"net"
	"time"

	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	maxFragments    = 1024
	maxFloods       = 20_000 // frames that carry next to nothing, at once
	floodsPerSecond = 5000   // that are forgiven
	smallBytes      = 16     // a frame below this costs more to take in than it carries; no box is so small
)

// watched is a connection on which the frames of a websocket are counted as they come, behind the answer to the upgrade. Its reader gets
// an error when a message has too many fragments, or too many frames carry next to nothing. Such frames never end a read of the
// websocket, which would work them off without end.
type watched struct {
	net.Conn
	floods    floodBudget
	isUp      bool   // the answer to the upgrade is over
	tail      []byte // of the answer: at most 3 bytes
	header    []byte // of a frame, as far as it has come: at most 10 bytes
	skip      uint64 // bytes of the payload that are to come
	fragments int
}

// Read reads, and counts what has come. Errors websocket_invalid, too_many_faults.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if bad := w.watch(p[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (w *watched) watch(b []byte) error {
	if !w.isUp {
		b = w.afterAnswer(b)
	}
	for len(b) > 0 {
		if w.skip > 0 {
			n := min(w.skip, uint64(len(b)))
			b, w.skip = b[n:], w.skip-n
			continue
		}
		w.header, b = append(w.header, b[0]), b[1:]
		length, isWhole := frameLength(w.header)
		if !isWhole {
			continue
		}
		if err := w.count(w.header[0], length); err != nil {
			return err
		}
		w.header, w.skip = w.header[:0], length
	}
	return nil
}

// afterAnswer returns what comes behind the head of the answer.
func (w *watched) afterAnswer(b []byte) []byte {
	seen := append(w.tail, b...)
	_, rest, isOver := bytes.Cut(seen, []byte("\r\n\r\n"))
	if isOver {
		w.isUp, w.tail = true, nil
		return rest
	}
	w.tail = bytes.Clone(seen[max(0, len(seen)-3):])
	return nil
}

// frameLength is the length of a payload, when the header that says it is whole. A listener masks nothing.
func frameLength(header []byte) (length uint64, isWhole bool) {
	if len(header) < 2 {
		return 0, false
	}
	switch length := header[1] & 0x7f; length {
	case 126:
		if len(header) < 4 {
			return 0, false
		}
		return uint64(binary.BigEndian.Uint16(header[2:])), true
	case 127:
		if len(header) < 10 {
			return 0, false
		}
		return binary.BigEndian.Uint64(header[2:]), true
	default:
		return uint64(length), true
	}
}

func (w *watched) count(first byte, length uint64) error {
	opcode := first & 0x0f
	isControl := opcode >= 8
	switch {
	case isControl:
	case opcode == 0:
		w.fragments++
	default:
		w.fragments = 1
	}
	if w.fragments > maxFragments {
		return status.Fail("websocket_invalid", "a message of too many fragments", nil)
	}
	if (isControl || length < smallBytes) && !w.floods.take() {
		return status.Fail("too_many_faults", "on the websocket", nil)
	}
	return nil
}

// floodBudget counts what costs the reader work and brings it nothing. Of the goroutine that reads.
type floodBudget struct {
	left float64
	at   time.Time
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
		return false
	}
	b.left--
	return true
}
