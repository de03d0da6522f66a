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
	maxVerifications    = 400 // a second
	maxOfOneSource      = 200 // of those, so that one source does not keep out the others
	dayMs               = 86_400_000
	baseInterval        = 5 * time.Second
	maxPacketsPerSecond = 50
	expiryIntervals     = 3.5
)

// heardPeer is a node that announces itself.
type heardPeer struct {
	announce announce
	packet   string
	sources  []netip.Addr // of its datagrams, the first first; at most maxSources
	heardAt  time.Time
	interval time.Duration // between its announces at the least, at the swarm's size when it was heard
}

// departure is the epoch of who has left, so that a late packet does not bring it back.
type departure struct {
	epoch uint64
	until time.Time
}

// peerTable is who has been heard on one network. Bounded by maxPeers; strangers past that are dropped.
type peerTable struct {
	network  [8]byte
	peers    map[identity.NodeID]*heardPeer
	byPacket map[string]*heardPeer
	left     map[identity.NodeID]departure

	second   int64 // since 1970, in which verified and bySource are counted
	verified int
	bySource map[netip.Addr]int
}

func newPeerTable(network [8]byte) *peerTable {
	return &peerTable{
		network: network, peers: map[identity.NodeID]*heardPeer{}, byPacket: map[string]*heardPeer{},
		left: map[identity.NodeID]departure{}, bySource: map[netip.Addr]int{},
	}
}

// hear takes a datagram's bytes and source. The error is the reason why it is dropped.
func (t *peerTable) hear(packet []byte, source netip.Addr, now time.Time) error {
	if peer := t.byPacket[string(packet)]; peer != nil {
		t.note(peer, source, now)
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
	if !t.mayVerify(source, now) {
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
	copied := string(packet) // the caller's buffer is used again
	a.signed, a.signature = nil, nil
	peer := &heardPeer{announce: a, packet: copied}
	t.peers[a.id], t.byPacket[copied] = peer, peer
	t.note(peer, source, now)
	return nil
}

// judge says whether an announce is news, and of somebody there is room for.
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
	switch {
	case known != nil:
		return nil
	case a.leaving:
		return dropped("stale")
	case len(t.peers) >= maxPeers:
		return dropped("full")
	}
	return nil
}

// mayVerify bounds what forged packets cost.
func (t *peerTable) mayVerify(source netip.Addr, now time.Time) bool {
	if second := now.Unix(); second != t.second {
		t.second, t.verified = second, 0
		clear(t.bySource)
	}
	if t.verified >= maxVerifications || t.bySource[source] >= maxOfOneSource {
		return false
	}
	t.verified++
	t.bySource[source]++
	return true
}

func (t *peerTable) note(peer *heardPeer, source netip.Addr, now time.Time) {
	peer.heardAt, peer.interval = now, t.interval()
	if len(peer.sources) < maxSources && !slices.Contains(peer.sources, source) {
		peer.sources = append(peer.sources, source)
	}
}

func (t *peerTable) forget(peer *heardPeer) {
	delete(t.peers, peer.announce.id)
	delete(t.byPacket, peer.packet)
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

// addressesOf has the addresses to try, the best first. A listed loopback address is of use on the same machine only.
func addressesOf(peer *heardPeer) []string {
	isLocal := !slices.ContainsFunc(peer.sources, func(source netip.Addr) bool { return !source.IsLoopback() })
	var addresses []string
	add := func(host netip.Addr) {
		address := netip.AddrPortFrom(host, peer.announce.port).String()
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	for _, source := range peer.sources {
		add(source)
	}
	for _, listed := range peer.announce.addresses {
		if host := listed.Unmap(); isLocal || !host.IsLoopback() {
			add(host)
		}
	}
	return addresses
}
