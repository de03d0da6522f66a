package rpc

import "slices"

// receiveBudget accounts for what a connection holds of what it received, all streams together.
//
//	received -> waits for its consumer                       unconsumed: too much, and the connection gets no credit
//	        \-> part of a message that its consumer awaits   awaited: too much, and only the oldest of these goes on
//
// Parts that are awaited do not count as unconsumed, since nothing but more of the same message completes them.
type receiveBudget struct {
	maxBytes   int
	unconsumed int
	awaited    int
	// messages that are awaited and incomplete, the oldest first. Bounded by the streams of the connection.
	messages []*stream
}

// assemble takes a further piece of a message.
func (b *receiveBudget) assemble(s *stream, cost int) {
	if s.isAssembled {
		b.awaited += cost
		b.pay(s)
		return
	}
	// The cost of the stream has this piece in it, which await moves with the others.
	b.unconsumed += cost
	if s.isAwaited() {
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
	b.unconsumed -= s.cost
	b.awaited += s.cost
	b.pay(s)
}

// discard lets go of a stream's incomplete message, if there is one, whole now or lost, and has others go on.
func (b *receiveBudget) discard(s *stream) {
	if !s.isAssembled {
		b.unconsumed -= s.cost
		return
	}
	s.isAssembled = false
	at := slices.Index(b.messages, s)
	b.messages = slices.Delete(b.messages, at, at+1)
	b.awaited -= s.cost
	for _, other := range b.messages {
		b.pay(other)
	}
}

// pay gives credit for the pieces of a message, if it may go on.
func (b *receiveBudget) pay(s *stream) {
	if b.awaited <= b.maxBytes || b.messages[0] == s {
		s.givePieces()
	}
}
