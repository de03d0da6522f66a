package rpc

import "slices"

// receiveBudget is the credit that the streams of a connection share.
//
//	received -> waits for its consumer                       bounded by the window of its stream
//	        \-> part of a message that its consumer awaits   above maxAssembling, only the oldest of these goes on
//
// A stream starts with a small window. One in use gets a larger one while the pool of the connection has room and memory is not
// tight: many streams have small windows, few have large ones.
type receiveBudget struct {
	memory        *Memory
	pool          int // by which windows may still grow
	raise         int // by which the window of one stream grows
	maxAssembling int
	assembling    int
	// messages that are awaited and incomplete, the oldest first. Bounded by the streams of the connection.
	messages []*stream
}

// takeWindow returns by how much the window of a stream grows: 0 while there is no room.
func (b *receiveBudget) takeWindow() int {
	if b.raise > b.pool || b.memory.isTight.Load() {
		return 0
	}
	b.pool -= b.raise
	return b.raise
}

// returnWindow takes back what takeWindow gave to a stream that has ended.
func (b *receiveBudget) returnWindow(s *stream) {
	b.pool += s.raised
	s.raised = 0
}

// assemble takes a further piece of a message; the cost of the stream has it in it.
func (b *receiveBudget) assemble(s *stream, cost int) {
	if s.isAssembled {
		b.assembling += cost
		b.pay(s)
	} else if s.isAwaited() {
		b.await(s)
	}
}

// await begins to give credit for the pieces of a message that is incomplete. Repeating it does nothing.
func (b *receiveBudget) await(s *stream) {
	if s.isAssembled {
		return
	}
	s.isAssembled = true
	b.messages = append(b.messages, s)
	b.assembling += s.cost
	b.pay(s)
}

// discard lets go of a stream's incomplete message, if there is one, whole now or lost, and has others go on.
func (b *receiveBudget) discard(s *stream) {
	if !s.isAssembled {
		return
	}
	s.isAssembled = false
	at := slices.Index(b.messages, s)
	b.messages = slices.Delete(b.messages, at, at+1)
	b.assembling -= s.cost
	for _, other := range b.messages {
		b.pay(other)
	}
}

// pay gives credit for the pieces of a message, if it may go on.
func (b *receiveBudget) pay(s *stream) {
	if b.assembling <= b.maxAssembling || b.messages[0] == s {
		s.givePieces()
	}
}
