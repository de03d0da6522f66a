package dht

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

// swarm is nodes in memory that know the nearest to themselves and some others.
type swarm struct {
	mu    sync.Mutex
	all   []contact
	knows map[identity.NodeID][]contact
	dead  map[identity.NodeID]bool
	asked map[identity.NodeID]int
}

func newSwarm(t *testing.T, size int) *swarm {
	seed := time.Now().UnixNano()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	s := &swarm{knows: map[identity.NodeID][]contact{}, dead: map[identity.NodeID]bool{}, asked: map[identity.NodeID]int{}}
	for range size {
		var id identity.NodeID
		for i := range id {
			id[i] = byte(random.Uint32())
		}
		s.all = append(s.all, contact{id, []string{"192.0.2.1:1"}})
	}
	for _, node := range s.all {
		others := s.nearest(node.id)[1:]
		known := slices.Clone(others[:min(len(others), k)])
		for range 40 {
			known = append(known, others[random.IntN(len(others))])
		}
		s.knows[node.id] = known
	}
	return s
}

func (s *swarm) nearest(target [32]byte) []contact {
	sorted := slices.Clone(s.all)
	slices.SortFunc(sorted, func(a, b contact) int { return identity.CompareDistance(target, a.id, b.id) })
	return sorted
}

// ask answers the closest that a node knows.
func (s *swarm) ask(target [32]byte) func(context.Context, contact) (answer, error) {
	return func(_ context.Context, of contact) (answer, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked[of.id]++
		if s.dead[of.id] {
			return answer{}, status.Fail("unreachable", "", nil)
		}
		known := slices.Clone(s.knows[of.id])
		slices.SortFunc(known, func(a, b contact) int { return identity.CompareDistance(target, a.id, b.id) })
		return answer{contacts: known[:min(len(known), maxContacts)]}, nil
	}
}

func ids(contacts []contact) (ids []identity.NodeID) {
	for _, c := range contacts {
		ids = append(ids, c.id)
	}
	return ids
}

func TestALookupFindsThe20ClosestThatLive(t *testing.T) {
	s := newSwarm(t, 300)
	for i := range 10 {
		target := [32]byte(s.all[i*7].id)
		target[31] ^= 1
		var alive []contact
		for at, node := range s.nearest(target) {
			if at%5 == 4 && len(s.dead) < 40 {
				s.dead[node.id] = true
			}
			if !s.dead[node.id] {
				alive = append(alive, node)
			}
		}
		from := slices.DeleteFunc(slices.Clone(s.all), func(c contact) bool { return s.dead[c.id] })[:1]
		clear(s.asked)
		found, err := (&lookup{target: target, ask: s.ask(target)}).run(t.Context(), from)
		if err != nil || !slices.Equal(ids(found), ids(alive[:k])) {
			t.Fatalf("lookup %d: %d found, %v", i, len(found), err)
		}
		for id, times := range s.asked {
			if times != 1 {
				t.Errorf("%s was asked %d times", id, times)
			}
		}
		if len(s.asked) > 100 {
			t.Errorf("%d were asked", len(s.asked))
		}
	}
}

func TestEnoughAnswersOfTheClosestTellOfAlmostAllOfThem(t *testing.T) {
	const lookups = 40
	s := newSwarm(t, 300)
	for _, node := range s.all {
		s.knows[node.id] = nil
		buckets := map[int]int{}
		for _, other := range s.all {
			if shared := identity.SharedBits(node.id, other.id); other.id != node.id && buckets[shared] < k {
				buckets[shared]++
				s.knows[node.id] = append(s.knows[node.id], other)
			}
		}
	}
	asked, known := 0, 0
	for i := range lookups {
		target := [32]byte(s.all[i].id)
		target[31] ^= 1
		clear(s.asked)
		l := &lookup{target: target, ask: s.ask(target), enough: alpha}
		if found, err := l.run(t.Context(), s.all[299:]); err != nil || len(found) < alpha {
			t.Fatalf("lookup %d: %d found, %v", i, len(found), err)
		}
		asked += len(s.asked)
		nearest := ids(s.nearest(target)[:k])
		for _, c := range l.unfailed()[:k] {
			if slices.Contains(nearest, c.id) {
				known++
			}
		}
	}
	if asked > lookups*3*alpha || known < lookups*k*95/100 {
		t.Errorf("%d were asked for %d of the %d closest", asked, known, lookups*k)
	}
}

func TestALookupAsksTheConnectedOfTheClosestFirst(t *testing.T) {
	contacts := newSwarm(t, 30).all
	l := &lookup{target: contacts[0].id}
	l.add(contacts)
	connected := []identity.NodeID{l.candidates[7].id, l.candidates[k].id}
	l.isConnected = func(id identity.NodeID) bool { return slices.Contains(connected, id) }
	for _, want := range []int{7, 0, 1} {
		next := l.next()
		if next != l.candidates[want] {
			t.Fatalf("%s is asked, not %d", next.id, want)
		}
		next.state = asked
	}
}

func TestALookupIsBounded(t *testing.T) {
	// Every answer tells of 30 nodes that are nearer than any before.
	distance := uint64(1) << 62
	var mu sync.Mutex
	asked := 0
	l := &lookup{ask: func(context.Context, contact) (answer, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		var found answer
		for range maxContacts {
			distance--
			id := identity.NodeID{31: 7}
			for i := range 8 {
				id[i] = byte(distance >> (56 - 8*i))
			}
			found.contacts = append(found.contacts, contact{id: id})
		}
		return found, nil
	}}
	if _, err := l.run(t.Context(), []contact{{id: identity.NodeID{0xff}}}); err != nil {
		t.Fatal(err)
	}
	if asked != maxQueries {
		t.Errorf("%d were asked", asked)
	}
}

func TestALookupAsksThreeAtATimeAndEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	running, most := 0, 0
	l := &lookup{ask: func(ctx context.Context, _ contact) (answer, error) {
		mu.Lock()
		running++
		most = max(most, running)
		if running == alpha {
			cancel()
		}
		mu.Unlock()
		<-ctx.Done()
		return answer{}, status.FromError(ctx.Err())
	}}
	var from []contact
	for i := range 10 {
		from = append(from, contact{id: identity.NodeID{byte(i + 1)}})
	}
	if _, err := l.run(ctx, from); status.CodeOf(err) != status.Canceled || most != alpha {
		t.Errorf("%d at once, %v", most, err)
	}
}

func TestALookupEndsWhenEnoughIsTakenAndSaysWhyNobodyAnswers(t *testing.T) {
	contacts, asked := []contact{{id: identity.NodeID{1}}, {id: identity.NodeID{2}}, {id: identity.NodeID{3}}, {id: identity.NodeID{4}}}, 0
	var mu sync.Mutex
	l := &lookup{
		ask: func(context.Context, contact) (answer, error) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			return answer{records: []*pb.Record{{}}}, nil
		},
		take: func(records []*pb.Record) bool { return len(records) == 1 },
	}
	if found, err := l.run(t.Context(), contacts); err != nil || len(found) != 1 || asked > alpha {
		t.Errorf("%d found, %d asked, %v", len(found), asked, err)
	}
	l = &lookup{ask: func(context.Context, contact) (answer, error) { return answer{}, status.Fail("unreachable", "", nil) }}
	if _, err := l.run(t.Context(), contacts); status.ReasonOf(err) != "unreachable" {
		t.Error("nobody there:", err)
	}
	l = &lookup{ask: func(context.Context, contact) (answer, error) { return answer{}, status.Fail("record_forged", "", nil) }}
	if found, err := l.run(t.Context(), contacts); err != nil || len(found) != 0 {
		t.Error("liars only:", found, err)
	}
}
