package dht

import (
	"slices"
	"testing"
)

func TestAddressesOfLoopbackAreTakenFromThisMachineAlone(t *testing.T) {
	near := [][]string{{"127.0.0.1:1"}, {"[::1]:1"}, {"192.0.2.1:1", "127.0.0.9:1"}, {"localhost:1"}, {"[::ffff:127.0.0.1]:1"}}
	for _, addresses := range near {
		if !(contact{addresses: addresses}).isNear() {
			t.Errorf("%v is on this machine", addresses)
		}
	}
	if (contact{addresses: []string{"192.0.2.1:1", "[2001:db8::1]:1"}}).isNear() {
		t.Error("another machine counts as this one")
	}
	told := elsewhere([]contact{{addresses: []string{"127.0.0.1:22"}}, {addresses: []string{"[::1]:22", "192.0.2.1:1"}}})
	if len(told) != 1 || !slices.Equal(told[0].addresses, []string{"192.0.2.1:1"}) {
		t.Errorf("%v is taken of another machine", told)
	}
}
