package dht

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

// row is so many contacts, the closest to a target first.
func row(t *testing.T, size int) []contact {
	s := newSwarm(t, size)
	return s.nearest(s.all[0].id)
}

// among says of an id whether it is that of one of some contacts.
func among(contacts []contact, indexes ...int) func(identity.NodeID) bool {
	return func(id identity.NodeID) bool {
		return slices.ContainsFunc(indexes, func(i int) bool { return contacts[i].id == id })
	}
}

func TestWhoIsConnectedIsAskedAndPassesTheRecordOnToTheOthers(t *testing.T) {
	for _, c := range []struct {
		size      int
		connected []int
		direct    []int // the closest of them, in order; more are asked only where nobody has room
		more      int
	}{
		{20, []int{2, 5, 6, 11, 17}, []int{2, 5, 6, 11, 17}, 0},
		{20, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, nil, 20},
		{20, []int{19}, []int{19, 0, 1, 2}, 0},
		{20, nil, []int{0, 1, 2, 3}, 0},
		{3, []int{1}, []int{1, 0, 2}, 0},
		{0, nil, nil, 0},
		{30, []int{0, 1, 2, 3}, []int{0, 1, 2, 3}, 2},
	} {
		t.Run(fmt.Sprint(c.size, c.connected), func(t *testing.T) {
			contacts := row(t, max(c.size, 2))[:c.size]
			var recipients []*recipient
			for _, contact := range contacts {
				recipients = append(recipients, &recipient{contact: contact})
			}
			errands := deal(recipients, among(contacts, c.connected...))
			if len(errands) != len(c.direct)+c.more {
				t.Errorf("%d are asked directly", len(errands))
			}
			var dealt []*recipient
			for i, e := range errands {
				if i < len(c.direct) && e.to != recipients[c.direct[i]] {
					t.Errorf("%d: another is asked", i)
				}
				if len(e.others) > maxForwards {
					t.Errorf("%d are to be passed on to by one", len(e.others))
				}
				dealt = append(append(dealt, e.to), e.others...)
			}
			if len(dealt) != c.size {
				t.Errorf("%d are dealt", len(dealt))
			}
			for _, r := range recipients {
				if !slices.Contains(dealt, r) {
					t.Errorf("%s is left out", r.id)
				}
			}
		})
	}
}

func TestEachIsNamedToTheClosestToItThatHasRoom(t *testing.T) {
	contacts := row(t, 8)
	var recipients []*recipient
	for _, contact := range contacts {
		recipients = append(recipients, &recipient{contact: contact})
	}
	errands := deal(recipients, among(contacts, 0, 1, 2, 3)) // four are left, so that nobody's room runs out
	for _, e := range errands {
		for _, other := range e.others {
			for _, direct := range contacts[:4] {
				if identity.CompareDistance(other.id, direct.id, e.to.id) < 0 {
					t.Errorf("%s is named to %s, and %s is closer", other.id, e.to.id, direct.id)
				}
			}
		}
	}
}

// peers answer what they are asked to store.
type peers struct {
	answer func(index int, forwardTo [][]byte) ([][]byte, error)

	mu    sync.Mutex
	asked map[int][]int // to whom each was to pass the record on
}

// deliver gives a record to contacts of which some are connected, and returns the errors in their order.
func (p *peers) deliver(t *testing.T, contacts []contact, connected ...int) (errs []error) {
	p.asked = map[int][]int{}
	indexOf := func(id identity.NodeID) int {
		return slices.IndexFunc(contacts, func(c contact) bool { return c.id == id })
	}
	d := &delivery{
		isConnected: among(contacts, connected...),
		store: func(_ context.Context, to contact, forwardTo [][]byte) ([][]byte, error) {
			index, others := indexOf(to.id), []int{}
			for _, id := range forwardTo {
				others = append(others, indexOf(identity.NodeID(id)))
			}
			p.mu.Lock()
			if before, isAsked := p.asked[index]; isAsked {
				t.Errorf("%d is asked again; it was to pass on to %d before", index, before)
			}
			p.asked[index] = others
			p.mu.Unlock()
			return p.answer(index, forwardTo)
		},
	}
	for i, r := range d.run(t.Context(), contacts) {
		if r.id != contacts[i].id {
			t.Errorf("%d: another's outcome", i)
		}
		errs = append(errs, r.err)
	}
	return errs
}

func TestNobodyIsAskedWhoKeepsTheRecordByTheWordOfAnother(t *testing.T) {
	p := &peers{answer: func(_ int, forwardTo [][]byte) ([][]byte, error) { return forwardTo, nil }}
	errs := p.deliver(t, row(t, 20), 3, 5, 8, 13, 19)
	if len(errs) != 20 || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) || len(p.asked) != 5 {
		t.Errorf("%v, asked: %v", errs, p.asked)
	}
}

func TestWhoIsNotNamedAsKeepingItIsAskedAndAnswersForItself(t *testing.T) {
	conflict := &status.Error{Code: status.Aborted}
	contacts := row(t, 8)
	for name, answer := range map[string]func(index int) ([][]byte, error){
		"names nobody":     func(int) ([][]byte, error) { return nil, nil },
		"names strangers":  func(int) ([][]byte, error) { return [][]byte{nil, {1}, make([]byte, 32), contacts[0].id[:]}, nil },
		"refuses":          func(int) ([][]byte, error) { return nil, &status.Error{Code: status.ResourceExhausted} },
		"is lost":          func(int) ([][]byte, error) { return nil, status.Fail("link_truncated", "", nil) },
		"names one of all": func(int) ([][]byte, error) { return [][]byte{contacts[7].id[:]}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := &peers{answer: func(index int, _ [][]byte) ([][]byte, error) {
				switch {
				case index < 4:
					return answer(index)
				case index == 5:
					return nil, conflict
				default:
					return nil, nil
				}
			}}
			errs := p.deliver(t, contacts, 0, 1, 2, 3)
			_, want := answer(0)
			for i, err := range errs {
				switch {
				case i < 4 && status.CodeOf(err) != status.CodeOf(want), i == 5 && err != error(conflict), i > 5 && err != nil:
					t.Errorf("%d: %v", i, err)
				}
				_, isAsked := p.asked[i]
				if isKept := name == "names one of all" && i == 7; isAsked == isKept {
					t.Errorf("%d: asked: %t", i, isAsked)
				}
			}
		})
	}
}

func TestTheOthersAreAskedWhenWhoIsToPassItOnTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		p := &peers{}
		p.answer = func(index int, forwardTo [][]byte) ([][]byte, error) {
			if index < 4 {
				time.Sleep(queryTimeout)
				return nil, status.FromError(context.DeadlineExceeded)
			}
			if took := time.Since(begun); took != forwardPatience {
				t.Errorf("%d is asked after %s", index, took)
			}
			return nil, nil
		}
		if errs := p.deliver(t, row(t, 8), 0, 1, 2, 3); len(errs) != 8 || len(p.asked) != 8 {
			t.Errorf("%v, asked: %v", errs, p.asked)
		}
	})
}

func TestTheNextClosestMakeUpForTheSilentAndNotForThoseThatRefuse(t *testing.T) {
	contacts := row(t, 40)
	p := &peers{answer: func(index int, _ [][]byte) ([][]byte, error) {
		switch {
		case index%4 == 1:
			return nil, status.Fail("unreachable", "", nil)
		case index%4 == 2:
			return nil, &status.Error{Code: status.ResourceExhausted}
		default:
			return nil, nil
		}
	}}
	errs := p.deliver(t, contacts)
	answers := 0
	for _, err := range errs {
		if !isSilence(err) {
			answers++
		}
	}
	if answers != k || len(errs) != 27 {
		t.Errorf("%d of %d have answered", answers, len(errs))
	}

	p.answer = func(int, [][]byte) ([][]byte, error) { return nil, status.Fail("unreachable", "", nil) }
	if errs := p.deliver(t, row(t, 2*maxQueries)); len(errs) != maxQueries {
		t.Errorf("%d were asked, none of whom is there", len(errs))
	}
}
