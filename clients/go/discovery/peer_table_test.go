package discovery

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
)

var loopback, elsewhere = netip.MustParseAddrPort("127.0.0.1:25519"), netip.MustParseAddrPort("192.0.2.1:25519")

type announceCase struct {
	Packet, Heard vectors.Bytes
	NetworkID     vectors.Bytes `json:"network_id"`
	WallMs        int64         `json:"wall_ms"`
	Error         string
	Announce      *struct {
		PublicKey vectors.Bytes `json:"public_key"`
		Port      uint16
		Addresses []string
		EpochMs   uint64 `json:"epoch_ms"`
		Leaving   bool
	}
}

func TestAnnounces(t *testing.T) {
	vectors.Each(t, "announces.json", func(t *testing.T, v announceCase) {
		network, now := [8]byte(v.NetworkID), time.UnixMilli(v.WallMs)
		table := newPeerTable(network)
		if v.Heard != nil {
			if err := table.hear(v.Heard, loopback, now); err != nil {
				t.Fatal("the packet before:", err)
			}
		}
		err := table.hear(v.Packet, loopback, now)
		if v.Error != "" {
			if err != dropped(v.Error) {
				t.Errorf("%v, not %s", err, v.Error)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(v.Packet, network)
		if err != nil {
			t.Fatal(err)
		}
		var addresses []string
		for _, address := range got.addresses {
			addresses = append(addresses, address.String())
		}
		want := v.Announce
		if got.id != identity.NodeID(want.PublicKey) || got.port != want.Port || got.epoch != want.EpochMs ||
			got.leaving != want.Leaving || !slices.Equal(addresses, want.Addresses) {
			t.Errorf("%+v", got)
		}
		if isKnown := len(table.list(now)) == 1; isKnown == want.Leaving {
			t.Errorf("known: %v", isKnown)
		}
	})
}

var testNetwork = identity.NetworkKeyOf("tables").ID()

// packetOf signs an announce.
func packetOf(t testing.TB, keys *identity.Keys, epoch uint64, leaving bool, addresses ...string) []byte {
	id := keys.ID()
	signed, err := proto.Marshal(&pb.Announce{
		Version: 1, NetworkId: testNetwork[:], PublicKey: id[:], Port: 4000, EpochMs: epoch, Leaving: leaving, Addresses: addresses,
	})
	if err != nil {
		t.Fatal(err)
	}
	packet, err := proto.Marshal(&pb.SignedAnnounce{Announce: signed, Signature: keys.Sign(append([]byte(domain), signed...))})
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

func TestSilentPeersAreForgotten(t *testing.T) {
	table, start := newPeerTable(testNetwork), time.UnixMilli(1_700_000_000_000)
	packet := packetOf(t, identity.GenerateKeys(), 1, false)
	if err := table.hear(packet, loopback, start); err != nil {
		t.Fatal(err)
	}
	if err := table.hear(packet, loopback, start.Add(10*time.Second)); err != nil {
		t.Fatal("the same packet again:", err)
	}
	if len(table.list(start.Add(27*time.Second))) != 1 {
		t.Error("forgotten within 3.5 intervals")
	}
	if len(table.list(start.Add(28*time.Second))) != 0 || len(table.byPacket) != 0 {
		t.Error("remembered after 3.5 intervals")
	}
}

func TestALatePacketDoesNotBringBackWhoHasLeft(t *testing.T) {
	table, now, keys := newPeerTable(testNetwork), time.UnixMilli(1_700_000_000_000), identity.GenerateKeys()
	here := packetOf(t, keys, 5, false)
	for _, packet := range [][]byte{here, packetOf(t, keys, 6, true)} {
		if err := table.hear(packet, loopback, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.hear(here, loopback, now); err != dropped("stale") || len(table.list(now)) != 0 {
		t.Error(err)
	}
	if err := table.hear(packetOf(t, keys, 7, false), loopback, now); err != nil {
		t.Error("a newer one:", err)
	}
}

func TestOfListedAddressesOnlyLoopbackCountsAndOnlyFromLoopback(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	packet := packetOf(t, identity.GenerateKeys(), 1, false, "127.0.0.2", "192.0.2.7", "2001:db8::1", "::ffff:127.0.0.3")
	for source, want := range map[netip.AddrPort][]string{
		loopback:  {"127.0.0.1:4000", "127.0.0.2:4000", "127.0.0.3:4000"},
		elsewhere: {"192.0.2.1:4000"},
	} {
		table := newPeerTable(testNetwork)
		if err := table.hear(packet, source, now); err != nil {
			t.Fatal(err)
		}
		if got := table.list(now)[0].Addresses; !slices.Equal(got, want) {
			t.Errorf("from %s: %q", source, got)
		}
	}
}

func TestOneSourceThatForgesDoesNotKeepOutOthers(t *testing.T) {
	table, now := newPeerTable(testNetwork), time.UnixMilli(1_700_000_000_000)
	forged := packetOf(t, identity.GenerateKeys(), 1, false)
	forged[len(forged)-1] ^= 1
	reasons := map[error]int{}
	for range portAtOnce + 50 {
		reasons[table.hear(forged, elsewhere, now)]++
	}
	if reasons[dropped("signature")] != portAtOnce || reasons[dropped("rate")] != 50 {
		t.Error(reasons)
	}
	// More ports use up all but the share of those that were quiet.
	for port := range uint16(10) {
		for range portAtOnce {
			_ = table.hear(forged, netip.AddrPortFrom(elsewhere.Addr(), port+1), now)
		}
	}
	if err := table.hear(forged, netip.AddrPortFrom(elsewhere.Addr(), 1), now); err != dropped("rate") {
		t.Error("a port that has sent much:", err)
	}
	if err := table.hear(packetOf(t, identity.GenerateKeys(), 1, false), loopback, now); err != nil {
		t.Error("another source:", err)
	}
}

func TestAFloodKeepsOutNoNewcomer(t *testing.T) {
	table, start := newPeerTable(testNetwork), time.UnixMilli(1_700_000_000_000)
	table.budget = &verifications{ports: map[netip.AddrPort]*bucket{}}
	table.budget.busy.tokens, table.budget.quiet.tokens = 1e9, 1e9
	from := func(port int) netip.AddrPort { return netip.AddrPortFrom(loopback.Addr(), uint16(port)) }
	quiet := identity.GenerateKeys()
	if err := table.hear(packetOf(t, quiet, 1, false), from(1), start); err != nil {
		t.Fatal(err)
	}
	flood := make([]identity.NodeID, 0, maxPeers+10)
	for i := range maxPeers + 10 {
		keys := identity.GenerateKeys()
		flood = append(flood, keys.ID())
		now := start.Add(time.Duration(i) * time.Millisecond)
		table.budget.busy.at, table.budget.quiet.at = now, now
		if err := table.hear(packetOf(t, keys, 1, false), from(2+i%8), now); err != nil {
			t.Fatal(i, err)
		}
	}
	if len(table.peers) != maxPeers || len(table.byPacket) != maxPeers {
		t.Errorf("%d peers, %d packets", len(table.peers), len(table.byPacket))
	}
	if table.peers[quiet.ID()] == nil {
		t.Error("a port with one peer gives way to ports with hundreds")
	}
	if table.peers[flood[0]] != nil || table.peers[flood[len(flood)-1]] == nil {
		t.Error("not the one silent for longest gives way")
	}
	total := 0
	for _, count := range table.byPort {
		total += count
	}
	if total != maxPeers || table.byAddress[loopback.Addr()] != maxPeers {
		t.Errorf("%d counted of %d", total, maxPeers)
	}
}

func TestAReplayFromManyAddressesKeepsOutNone(t *testing.T) {
	table, now := newPeerTable(testNetwork), time.UnixMilli(1_700_000_000_000)
	packet := packetOf(t, identity.GenerateKeys(), 1, false)
	for i := range 6 {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 9)
		if err := table.hear(packet, source, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"192.0.2.3:4000", "192.0.2.4:4000", "192.0.2.5:4000", "192.0.2.6:4000"}
	if got := table.list(now)[0].Addresses; !slices.Equal(got, want) {
		t.Error(got)
	}
}

func FuzzHear(f *testing.F) {
	cases := vectors.All[announceCase](f, "announces.json")
	for _, v := range cases {
		f.Add([]byte(v.Packet))
	}
	network := [8]byte(cases["port 1 is accepted"].NetworkID)
	now := time.UnixMilli(1_700_000_000_000)
	f.Fuzz(func(t *testing.T, packet []byte) {
		table := newPeerTable(network)
		if err := table.hear(packet, loopback, now); err != nil {
			if _, ok := err.(dropped); !ok || len(table.peers) != 0 {
				t.Fatalf("%v, and %d peers", err, len(table.peers))
			}
			return
		}
		a, err := decode(packet, network)
		if err != nil || !a.isGenuine() || len(table.list(now)) != 1 {
			t.Fatalf("accepted: %x, %v", packet, err)
		}
	})
}
