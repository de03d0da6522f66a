package discovery

import (
	"net/netip"
	"slices"
	"time"

	"github.com/dswarm/dswarm/clients/go/identity"
)

const (
	maxPeers            = 4096
	maxSources          = 4
	dayMs               = 86_400_000
	baseInterval        = 5 * time.Second
	maxPacketsPerSecond = 50
	expiryIntervals     = 3.5
)

// heardPeer is a node that announces itself.
type heardPeer struct {
	announce announce
	packet   string
	from     netip.AddrPort // where the packet was first seen
	sources  []heardSource  // of its datagrams; at most maxSources
	heardAt  time.Time
	interval time.Duration // between its announces at the least, at the swarm's size when it was heard
}

// heardSource is an address that a packet has come from.
type heardSource struct {
	address netip.Addr
	heardAt time.Time
}

// departure is the epoch of who has left, so that a late packet does not bring it back.
type departure struct {
	epoch uint64
	until time.Time
}

// peerTable is who has been heard on one network. Bounded by maxPeers. For a new peer another one gives way: of the address that has
// most, the port that has most, the peer silent for longest. So a flood of keys, which are free, does not keep out newcomers.
type peerTable struct {
	network  [8]byte
	peers    map[identity.NodeID]*heardPeer
	byPacket map[string]*heardPeer
	left     map[identity.NodeID]departure

	// How many peers an address and a port have in the table.
	byAddress map[netip.Addr]int
	byPort    map[netip.AddrPort]int
	budget    *verifications
}

func newPeerTable(network [8]byte) *peerTable {
	return &peerTable{
		network: network, peers: map[identity.NodeID]*heardPeer{}, byPacket: map[string]*heardPeer{},
		left: map[identity.NodeID]departure{}, byAddress: map[netip.Addr]int{}, byPort: map[netip.AddrPort]int{},
		budget: newVerifications(),
	}
}

// hear takes a datagram's bytes and source. The error is the reason why it is dropped.
func (t *peerTable) hear(packet []byte, source netip.AddrPort, now time.Time) error {
	if peer := t.byPacket[string(packet)]; peer != nil {
		t.note(peer, source.Addr(), now)
		return nil
	}
	a, err := decode(packet, t.network)
	if err != nil {
		return err
	}
	known := t.peers[a.id]
	if err := t.judge(a, known, now); err != nil {
		return err
	}
	if !t.budget.take(source, now) {
		return dropped("rate")
	}
	if !a.isGenuine() {
		return dropped("signature")
	}
	if known != nil {
		t.forget(known)
	}
	if a.leaving {
		t.remember(a, now)
		return nil
	}
	if len(t.peers) >= maxPeers {
		t.forget(t.excess())
	}
	copied := string(packet) // the caller's buffer is used again
	a.signed, a.signature = nil, nil
	peer := &heardPeer{announce: a, packet: copied, from: source}
	t.peers[a.id], t.byPacket[copied] = peer, peer
	t.byAddress[source.Addr()]++
	t.byPort[source]++
	t.note(peer, source.Addr(), now)
	return nil
}

// judge says whether an announce is news.
func (t *peerTable) judge(a announce, known *heardPeer, now time.Time) error {
	var epoch uint64
	if known != nil {
		epoch = known.announce.epoch
	} else if gone, ok := t.left[a.id]; ok && now.Before(gone.until) {
		epoch = gone.epoch
	}
	if epoch != 0 {
		// An epoch more than a day ahead of our clock loses to any that is not: no clock's fault locks a node out.
		limit := now.UnixMilli() + dayMs
		isAhead, wasAhead := a.epoch > uint64(max(0, limit)), epoch > uint64(max(0, limit))
		isNewer := a.epoch > epoch
		if isAhead != wasAhead {
			isNewer = wasAhead
		}
		if !isNewer {
			return dropped("stale")
		}
	}
	if known == nil && a.leaving {
		return dropped("stale")
	}
	return nil
}

func (t *peerTable) note(peer *heardPeer, source netip.Addr, now time.Time) {
	peer.heardAt, peer.interval = now, t.interval()
	silent := 0
	for i := range peer.sources {
		if peer.sources[i].address == source {
			peer.sources[i].heardAt = now
			return
		}
		if peer.sources[i].heardAt.Before(peer.sources[silent].heardAt) {
			silent = i
		}
	}
	// Somebody else may replay the packet: no address is kept for ever.
	if len(peer.sources) >= maxSources {
		peer.sources = slices.Delete(peer.sources, silent, silent+1)
	}
	peer.sources = append(peer.sources, heardSource{source, now})
}

// excess is the peer that gives way to a new one.
func (t *peerTable) excess() *heardPeer {
	var address netip.Addr
	for one, count := range t.byAddress {
		if count > t.byAddress[address] {
			address = one
		}
	}
	var port netip.AddrPort
	for one, count := range t.byPort {
		if one.Addr() == address && count > t.byPort[port] {
			port = one
		}
	}
	var silent *heardPeer
	for _, peer := range t.peers {
		if peer.from == port && (silent == nil || peer.heardAt.Before(silent.heardAt)) {
			silent = peer
		}
	}
	return silent
}

func (t *peerTable) forget(peer *heardPeer) {
	delete(t.peers, peer.announce.id)
	delete(t.byPacket, peer.packet)
	if t.byAddress[peer.from.Addr()]--; t.byAddress[peer.from.Addr()] == 0 {
		delete(t.byAddress, peer.from.Addr())
	}
	if t.byPort[peer.from]--; t.byPort[peer.from] == 0 {
		delete(t.byPort, peer.from)
	}
}

// remember keeps the epoch of who has left, in place of any other when there are too many.
func (t *peerTable) remember(a announce, now time.Time) {
	for id, gone := range t.left {
		if len(t.left) >= maxPeers || !now.Before(gone.until) {
			delete(t.left, id)
		}
	}
	t.left[a.id] = departure{a.epoch, now.Add(expiryOf(t.interval()))}
}

// interval is the time between two announces of a node, at the swarm's size.
func (t *peerTable) interval() time.Duration {
	return max(baseInterval, time.Duration(len(t.peers))*time.Second/maxPacketsPerSecond)
}

func expiryOf(interval time.Duration) time.Duration {
	return time.Duration(expiryIntervals * float64(interval))
}

// list forgets who has been silent for too long, and returns the others, in the order of their ids.
func (t *peerTable) list(now time.Time) []Peer {
	interval, list := t.interval(), []Peer{}
	for id, peer := range t.peers {
		if now.Sub(peer.heardAt) >= expiryOf(max(interval, peer.interval)) {
			t.forget(peer)
			continue
		}
		list = append(list, Peer{ID: id, Addresses: addressesOf(peer)})
	}
	slices.SortFunc(list, func(a, b Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return list
}

// addressesOf has the addresses to try: where the datagrams came from, and of those that are listed, when all came from this machine,
// the ones of this machine. What a stranger lists of other machines makes nobody dial them.
func addressesOf(peer *heardPeer) []string {
	isLocal := true
	var addresses []string
	add := func(host netip.Addr) {
		address := netip.AddrPortFrom(host, peer.announce.port).String()
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	for _, source := range peer.sources {
		isLocal = isLocal && source.address.IsLoopback()
		add(source.address)
	}
	for _, listed := range peer.announce.addresses {
		if host := listed.Unmap(); isLocal && host.IsLoopback() {
			add(host)
		}
	}
	return addresses
}
