package rpc

import (
	"fmt"
	"sync"
	"sync/atomic"

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
// Answers that this program does not read count apart: no peer is blamed for them, but no call begins while they are as many.
// Safe for concurrent use.
type Memory struct {
	maxBytes     int
	isTight      atomic.Bool // half of it is in use: windows are to stay small
	isUnreadFull atomic.Bool // this program is to read before it asks for more
	mu           sync.Mutex
	sum          account
	told         map[*Conn]account // bounded by the open connections
}

// account is what a connection holds.
type account struct {
	held   int // for its peer
	unread int // for this program
}

// NewMemory returns a Memory of maxBytes, at least 1 MiB: it panics for less. More lets peers use more memory; less ends connections
// sooner.
func NewMemory(maxBytes int) *Memory {
	if maxBytes < minTotalBytes {
		panic(fmt.Sprintf("rpc: a Memory has at least %d bytes, not %d", minTotalBytes, maxBytes))
	}
	return &Memory{maxBytes: maxBytes, told: map[*Conn]account{}}
}

// processMemory is shared by the connections that are given none.
var processMemory = NewMemory(defaultTotalBytes)

// HeldBytes is what the connections hold for their peers now.
func (m *Memory) HeldBytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum.held
}

func (m *Memory) open(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told[c] = account{}
}

// close takes a connection out of the total: it has ended, or is about to.
func (m *Memory) close(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change(c, account{})
	delete(m.told, c)
}

// change sets what a connection holds. With the lock.
func (m *Memory) change(c *Conn, now account) {
	told := m.told[c]
	m.told[c] = now
	m.sum.held += now.held - told.held
	m.sum.unread += now.unread - told.unread
	m.isTight.Store(2*(m.sum.held+m.sum.unread) >= m.maxBytes)
	m.isUnreadFull.Store(m.sum.unread >= m.maxBytes)
}

// tell takes what a connection holds now.
func (m *Memory) tell(c *Conn, now account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, isOpen := m.told[c]; !isOpen {
		return
	}
	m.change(c, now)
	for m.sum.held > m.maxBytes {
		var most *Conn
		for each, account := range m.told {
			if most == nil || account.held > m.told[most].held {
				most = each
			}
		}
		held := m.told[most].held
		m.change(most, account{})
		delete(m.told, most)
		go most.giveWay(held) // it needs the lock of its connection
	}
}

// holdReceived counts bytes of the peer's calls from now on; a negative number is bytes that are let go. With the lock.
func (c *Conn) holdReceived(bytes int) {
	c.received += bytes
	c.tellMemory()
}

// holdUnsent counts bytes that wait for the network, likewise.
func (c *Conn) holdUnsent(bytes int) {
	c.unsent += bytes
	c.tellMemory()
}

// holdUnread counts bytes that wait for this program, likewise.
func (c *Conn) holdUnread(bytes int) {
	c.unread += bytes
	c.tellMemory()
}

func (c *Conn) tellMemory() {
	now := account{c.received + c.unsent, c.unread}
	if isFar(now.held-c.told.held) || isFar(now.unread-c.told.unread) {
		c.told = now
		c.memory.tell(c, now)
	}
}

func isFar(distance int) bool { return distance >= tellBytes || distance <= -tellBytes }

// HeldBytes is what the peer makes the connection hold now: bytes of its calls, and bytes that the network has not taken.
func (c *Conn) HeldBytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received + c.unsent
}

// UnreadBytes is what the connection holds for this program now: answers that were not received from their streams.
func (c *Conn) UnreadBytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unread
}

// giveWay ends the connection, which holds most of all.
func (c *Conn) giveWay(held int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.breakOff(status.ResourceExhausted, status.Fail("memory_exhausted",
		fmt.Sprintf("this connection holds %d bytes, more than others", held), nil))
}
