package rpc

import (
	"fmt"
	"sync"

	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	defaultTotalBytes = 128 << 20
	minTotalBytes     = 1 << 20
	// tellBytes is how far a connection's count may be from what its Memory knows, so that small calls take no lock of others.
	tellBytes = 16 << 10
)

// Memory bounds the bytes that connections hold for their peers, all together, to 16 KiB a connection: what they have received and
// not consumed, and what they have produced and the network has not taken. When it is full, the connection that holds most ends.
// Safe for concurrent use.
type Memory struct {
	maxBytes int
	mu       sync.Mutex
	held     int
	told     map[*Conn]int // bounded by the open connections
}

// NewMemory returns a Memory of maxBytes, at least 1 MiB: it panics for less. More lets peers use more memory; less ends connections
// sooner.
func NewMemory(maxBytes int) *Memory {
	if maxBytes < minTotalBytes {
		panic(fmt.Sprintf("rpc: a Memory has at least %d bytes, not %d", minTotalBytes, maxBytes))
	}
	return &Memory{maxBytes: maxBytes, told: map[*Conn]int{}}
}

// processMemory is shared by the connections that are given none.
var processMemory = NewMemory(defaultTotalBytes)

// HeldBytes is what the connections hold now.
func (m *Memory) HeldBytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

func (m *Memory) open(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[c] = 0
}

// close takes a connection out of the total: it has ended, or is about to.
func (m *Memory) close(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(c)
}

func (m *Memory) remove(c *Conn) {
	m.held -= m.told[c]
	delete(m.told, c)
}

// tell takes what a connection holds now.
func (m *Memory) tell(c *Conn, held int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	told, isOpen := m.told[c]
	if !isOpen {
		return
	}
	m.told[c] = held
	m.held += held - told
	for m.held > m.maxBytes {
		most := c
		for each, bytes := range m.told {
			if bytes > m.told[most] {
				most = each
			}
		}
		bytes := m.told[most]
		m.remove(most)
		go most.giveWay(bytes) // it needs the lock of its connection
		if len(m.told) == 0 {
			return
		}
	}
}

// hold counts bytes that are held for the peer from now on; a negative number is bytes that are let go. With the lock.
func (c *Conn) hold(bytes int) {
	c.held += bytes
	if distance := c.held - c.toldHeld; distance >= tellBytes || distance <= -tellBytes {
		c.toldHeld = c.held
		c.memory.tell(c, c.held)
	}
}

// HeldBytes is what the connection holds for its peer now: bytes received and not consumed, and bytes produced and not yet taken by
// the network.
func (c *Conn) HeldBytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// giveWay ends the connection, which holds most of all.
func (c *Conn) giveWay(bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breakOff(status.ResourceExhausted, status.Fail("memory_exhausted",
		fmt.Sprintf("this connection holds %d bytes, more than others", bytes), nil))
}
