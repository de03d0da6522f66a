package dht

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	maxForwards = 4
	// Who is to pass a record on may only say that he did: so many get it from this client itself.
	minDirect = 4
	// After it the others are asked without who was to pass the record on.
	forwardPatience = time.Second
)

// recipient is a node that is to keep a record; when the delivery is over, err says whether it does.
type recipient struct {
	contact
	err error
}

// errand is a node that gets a record from this client, and those to whom it is to pass it on, at most maxForwards.
type errand struct {
	to     *recipient
	others []*recipient
}

// deal makes errands for recipients, the closest first: to those that are connected, and the closest others where these are few.
func deal(recipients []*recipient, isConnected func(identity.NodeID) bool) []*errand {
	var errands []*errand
	var others []*recipient
	for _, r := range recipients {
		if isConnected(r.id) {
			errands = append(errands, &errand{to: r})
		} else {
			others = append(others, r)
		}
	}
	for len(errands) < minDirect && len(others) > 0 {
		errands, others = append(errands, &errand{to: others[0]}), others[1:]
	}
	for _, r := range others {
		if e := nearest(errands, r); e != nil {
			e.others = append(e.others, r)
		} else {
			errands = append(errands, &errand{to: r})
		}
	}
	return errands
}

// nearest is of the errands that have room for one more that to the node closest to r: the closer two are, the likelier they are
// connected. Nil where none has room.
func nearest(errands []*errand, r *recipient) *errand {
	var best *errand
	for _, e := range errands {
		if len(e.others) < maxForwards && (best == nil || identity.CompareDistance(r.id, e.to.id, best.to.id) < 0) {
			best = e
		}
	}
	return best
}

// delivery brings one record to the nodes that are to keep it. A connection costs both ends many times what a call does, and those
// close to a key are connected with one another: so they are asked to pass the record on.
type delivery struct {
	isConnected func(identity.NodeID) bool
	// store asks a node to keep the record and to pass it on, and returns the ids of those that keep it by its word.
	store func(ctx context.Context, to contact, forwardTo [][]byte) (keptBy [][]byte, err error)
}

// run gives the record to the 20 closest of contacts, which begin with the closest, and to the next ones for those that are silent.
// It returns what came of each that was asked.
func (d *delivery) run(ctx context.Context, contacts []contact) []*recipient {
	var all []*recipient
	contacts = contacts[:min(len(contacts), maxQueries)]
	for missing := k; missing > 0 && len(contacts) > 0 && ctx.Err() == nil; {
		var round []*recipient
		for _, c := range contacts[:min(missing, len(contacts))] {
			round = append(round, &recipient{contact: c})
		}
		contacts, missing = contacts[len(round):], 0
		var group sync.WaitGroup
		for _, e := range deal(round, d.isConnected) {
			group.Go(func() { d.send(ctx, e) })
		}
		group.Wait()
		for _, r := range round {
			if isSilence(r.err) {
				missing++
			}
		}
		all = append(all, round...)
	}
	return all
}

// send returns when all of an errand have been asked, those themselves whom its node does not name in time.
func (d *delivery) send(ctx context.Context, e *errand) {
	var group sync.WaitGroup
	defer group.Wait()
	var forwardTo [][]byte
	for _, other := range e.others {
		forwardTo = append(forwardTo, other.id[:])
	}
	answered := make(chan [][]byte, 1)
	group.Go(func() {
		var keptBy [][]byte
		keptBy, e.to.err = d.store(ctx, e.to.contact, forwardTo)
		answered <- keptBy
	})
	if len(e.others) == 0 {
		return
	}
	var keptBy [][]byte
	select {
	case keptBy = <-answered:
	case <-time.After(forwardPatience):
	}
	for _, other := range e.others {
		if !slices.ContainsFunc(keptBy, func(id []byte) bool { return bytes.Equal(id, other.id[:]) }) {
			group.Go(func() { _, other.err = d.store(ctx, other.contact, nil) })
		}
	}
}

// isSilence tells an error of a node that serves no DHT, or of reaching it, from its word that it does not keep a record.
func isSilence(err error) bool {
	switch status.CodeOf(err) {
	case status.OK:
		return false
	case status.InvalidArgument, status.PermissionDenied, status.ResourceExhausted, status.FailedPrecondition, status.Aborted:
		return status.ReasonOf(err) != ""
	default:
		return true
	}
}
