package dht

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

var errRefused = errors.New("connection refused")

func notConnected(identity.NodeID) bool { return false }

func TestAThousandKeysThatNameOnePortAreDialedAFewTimes(t *testing.T) {
	now := time.Unix(0, 0)
	limits := newDialLimits(notConnected, func() time.Time { return now })
	dials := 0
	for i := range 6000 {
		address := []string{"127.0.0.1:9", "127.0.0.2:9", "[::1]:9"}[i%3]
		err := limits.dial(identity.GenerateKeys().ID(), address, func() error { dials++; return errRefused })
		if !errors.Is(err, errRefused) {
			t.Fatalf("dial %d: %v, want the error of the last dial", i, err)
		}
		now = now.Add(10 * time.Millisecond)
	}
	if dials < 2 || dials > 20 {
		t.Errorf("%d dials in a minute, want 2 to 20", dials)
	}
}

func TestDialsToOneMachineThatFailAreBounded(t *testing.T) {
	now := time.Unix(0, 0)
	limits := newDialLimits(notConnected, func() time.Time { return now })
	id := identity.GenerateKeys().ID()
	dials := 0
	dial := func(address string) error {
		return limits.dial(id, address, func() error { dials++; return errRefused })
	}
	for port := range 1000 {
		_ = dial(fmt.Sprintf("192.0.2.1:%d", port+1))
	}
	if want := int(dialsPerMachine * dialBurstSeconds); dials != want {
		t.Errorf("%d dials to one machine, want %d", dials, want)
	}
	if err := dial("192.0.2.1:65535"); status.FromError(err).Reason != "dial_limited" {
		t.Errorf("%v, want dial_limited", err)
	}
	if err := dial("192.0.2.2:1"); !errors.Is(err, errRefused) {
		t.Errorf("another machine: %v", err)
	}
}

func TestAnEndpointBelongsToTheKeyThatIsConnectedThere(t *testing.T) {
	owner, other := identity.GenerateKeys().ID(), identity.GenerateKeys().ID()
	isConnected := true
	limits := newDialLimits(func(id identity.NodeID) bool { return isConnected && id == owner }, time.Now)
	succeed := func() error { return nil }
	if err := limits.dial(owner, "127.0.0.1:9", succeed); err != nil {
		t.Fatal(err)
	}
	if err := limits.dial(other, "[::1]:9", succeed); status.FromError(err).Reason != "authentication_failed" {
		t.Errorf("%v, want authentication_failed", err)
	}
	isConnected = false
	if err := limits.dial(other, "[::1]:9", succeed); err != nil {
		t.Errorf("after the owner has gone: %v", err)
	}
}

func TestAddressesThatTheProgramNamedHaveNoLimits(t *testing.T) {
	limits := newDialLimits(notConnected, time.Now)
	named := identity.Address{ID: identity.GenerateKeys().ID(), Host: "127.0.0.1:9"}
	limits.trusted[named] = true
	dials := 0
	for range 3 {
		_ = limits.dial(named.ID, named.Host, func() error { dials++; return errRefused })
	}
	if dials != 3 {
		t.Errorf("%d dials, want 3", dials)
	}
}
