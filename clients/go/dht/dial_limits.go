package dht

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	firstPause          = 500 * time.Millisecond
	longestPause        = time.Minute
	dialsPerSecond      = 32.0 // that fail
	dialsPerMachine     = 8.0  // the same a second, to one machine
	dialBurstSeconds    = 16.0
	maxEndpointsCounted = 4096
	maxMachinesCounted  = 1024
)

// endpoint is a port of a machine. All addresses of this machine are one machine.
type endpoint struct {
	machine string
	port    string
}

// rate is a token bucket that holds 16 seconds' worth of tokens.
type rate struct {
	perSecond float64
	tokens    float64
	at        time.Time
}

func newRate(perSecond float64, now time.Time) *rate {
	return &rate{perSecond, perSecond * dialBurstSeconds, now}
}

func (r *rate) fill(now time.Time) {
	r.tokens = min(r.perSecond*dialBurstSeconds, r.tokens+now.Sub(r.at).Seconds()*r.perSecond)
	r.at = now
}

type dialFailure struct {
	pause time.Duration
	until time.Time
	err   error
}

// dialLimits bounds the dials that contacts of strangers cause (docs/protocol.md, section 2, "Dials"). Keys are free, so the limits are
// by endpoint. Bounded by maxEndpointsCounted and maxMachinesCounted. Safe for concurrent use.
type dialLimits struct {
	trusted     map[identity.Address]bool // addresses that the program named itself, which have no limits
	isConnected func(identity.NodeID) bool
	now         func() time.Time

	mu       sync.Mutex
	failures map[endpoint]dialFailure
	owners   map[endpoint]identity.NodeID
	busy     map[endpoint]bool
	all      *rate
	machines map[string]*rate
}

func newDialLimits(isConnected func(identity.NodeID) bool, now func() time.Time) *dialLimits {
	return &dialLimits{
		trusted:     map[identity.Address]bool{},
		isConnected: isConnected,
		now:         now,
		failures:    map[endpoint]dialFailure{},
		owners:      map[endpoint]identity.NodeID{},
		busy:        map[endpoint]bool{},
		all:         newRate(dialsPerSecond, now()),
		machines:    map[string]*rate{},
	}
}

// dial calls connect unless there is a reason against it: what the last dial of the endpoint failed with, during the pause after it;
// authentication_failed where another key is connected; dial_limited.
func (l *dialLimits) dial(id identity.NodeID, address string, connect func() error) error {
	if l.trusted[identity.Address{ID: id, Host: address}] {
		return connect()
	}
	at := endpointOf(address)
	if err := l.begin(id, at); err != nil {
		return err
	}
	err := connect()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, at)
	if err == nil {
		delete(l.failures, at)
		makeRoom(l.owners, maxEndpointsCounted)
		l.owners[at] = id
		l.machine(at.machine).tokens++
		l.all.tokens++
		return nil
	}
	pause := min(max(2*l.failures[at].pause, firstPause), longestPause)
	makeRoom(l.failures, maxEndpointsCounted)
	l.failures[at] = dialFailure{pause, l.now().Add(pause), err}
	return err
}

func (l *dialLimits) begin(id identity.NodeID, at endpoint) error {
	l.mu.Lock()
	owner, isOwned := l.owners[at]
	l.mu.Unlock()
	if isOwned && owner != id && l.isConnected(owner) {
		return status.Fail("authentication_failed", "another key has proven itself there", nil)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if failure, hasFailed := l.failures[at]; hasFailed && now.Before(failure.until) {
		return failure.err
	}
	machine := l.machine(at.machine)
	l.all.fill(now)
	if l.busy[at] || machine.tokens < 1 || l.all.tokens < 1 {
		return status.Fail("dial_limited", "", nil)
	}
	l.busy[at] = true
	machine.tokens--
	l.all.tokens--
	return nil
}

// machine returns the rate of a machine. With the lock.
func (l *dialLimits) machine(name string) *rate {
	r := l.machines[name]
	if r == nil {
		makeRoom(l.machines, maxMachinesCounted)
		r = newRate(dialsPerMachine, l.now())
		l.machines[name] = r
	}
	r.fill(l.now())
	return r
}

// makeRoom forgets any entry of a map that is full.
func makeRoom[K comparable, V any](all map[K]V, most int) {
	for key := range all {
		if len(all) < most {
			return
		}
		delete(all, key)
	}
}

func endpointOf(address string) endpoint {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return endpoint{machine: address}
	}
	if isThisMachine(host) {
		host = ""
	}
	return endpoint{host, port}
}

// isThisMachine says whether a host is an address of this machine, or a name, which may stand for one.
func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil || address.Unmap().IsLoopback() || address.Unmap().IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, each := range own {
		if network, isNetwork := each.(*net.IPNet); isNetwork && network.IP.Equal(net.IP(address.AsSlice())) {
			return true
		}
	}
	return false
}
