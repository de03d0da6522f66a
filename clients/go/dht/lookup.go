package dht

import (
	"context"
	"slices"
	"sync"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	k           = 20
	alpha       = 3
	maxContacts = 30  // of an answer that are heeded
	maxQueries  = 200 // of a lookup; with maxContacts it bounds what is known too
)

// answer is what a node answers a lookup. All of it has been checked.
type answer struct {
	contacts []contact
	records  []*pb.Record
}

type state int

const (
	fresh state = iota
	asked
	answered
	failed
)

type candidate struct {
	contact
	state state
}

// lookup asks the nodes closest to a target, three at a time, until the 20 closest that have not failed have all answered,
// or enough of them.
type lookup struct {
	target [32]byte
	ask    func(context.Context, contact) (answer, error)
	// take is told what each answer brought; true ends the lookup. Nil takes none.
	take func([]*pb.Record) bool
	// enough answers of the 20 closest end the lookup: in the range that they share, each knows the others. 0 waits for all.
	enough int
	// isConnected says who is asked before those that are closer. Nil, nobody.
	isConnected func(identity.NodeID) bool

	candidates []*candidate // the closest first
}

// run returns who has answered, of the 20 closest. When nobody has, for want of a connection, the error says why.
func (l *lookup) run(ctx context.Context, from []contact) ([]contact, error) {
	l.add(from)
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	type result struct {
		of *candidate
		answer
		err error
	}
	results := make(chan result, alpha)
	var firstErr error
	for running, queries := 0, 0; ; {
		for next := l.next(); next != nil && running < alpha && queries < maxQueries; next = l.next() {
			next.state = asked
			running, queries = running+1, queries+1
			group.Go(func() {
				found, err := l.ask(ctx, next.contact)
				results <- result{next, found, err}
			})
		}
		if running == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return nil, status.FromError(ctx.Err())
		case r := <-results:
			running--
			if r.err != nil {
				r.of.state = failed
				if firstErr == nil {
					firstErr = r.err
				}
				continue
			}
			r.of.state = answered
			l.add(r.contacts)
			if l.take != nil && len(r.records) > 0 && l.take(r.records) {
				return l.answered(), nil
			}
			if answered := l.answered(); l.enough > 0 && len(answered) >= l.enough {
				return answered, nil
			}
		}
	}
	closest := l.answered()
	if code := status.CodeOf(firstErr); len(closest) == 0 && (code == status.Unavailable || code == status.Unauthenticated) {
		return nil, firstErr
	}
	return closest, nil
}

// add takes contacts, each once.
func (l *lookup) add(contacts []contact) {
	for _, c := range contacts {
		at, isKnown := slices.BinarySearchFunc(l.candidates, c.id, func(other *candidate, id identity.NodeID) int {
			return identity.CompareDistance(l.target, other.id, id)
		})
		if !isKnown {
			l.candidates = slices.Insert(l.candidates, at, &candidate{contact: c})
		}
	}
}

// closest are the 20 closest that have not failed.
func (l *lookup) closest() []*candidate {
	var closest []*candidate
	for _, c := range l.candidates {
		if len(closest) == k {
			break
		}
		if c.state != failed {
			closest = append(closest, c)
		}
	}
	return closest
}

// next is whom to ask next, or nil.
func (l *lookup) next() *candidate {
	var next *candidate
	for _, c := range l.closest() {
		if c.state != fresh {
			continue
		}
		if l.isConnected != nil && l.isConnected(c.id) {
			return c
		}
		if next == nil {
			next = c
		}
	}
	return next
}

// unfailed are all that are known and have not failed, the closest first.
func (l *lookup) unfailed() []contact {
	var contacts []contact
	for _, c := range l.candidates {
		if c.state != failed {
			contacts = append(contacts, c.contact)
		}
	}
	return contacts
}

func (l *lookup) answered() []contact {
	var contacts []contact
	for _, c := range l.closest() {
		if c.state == answered {
			contacts = append(contacts, c.contact)
		}
	}
	return contacts
}
