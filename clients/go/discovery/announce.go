package discovery

import (
	"encoding/binary"
	"net/netip"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
)

const (
	maxPacketBytes   = 512
	maxAnnounceBytes = 420
	maxAddresses     = 4
	maxAddressChars  = 45
	maxEpoch         = 1<<53 - 1
	domain           = "dswarm-announce-v1\x00"
)

// dropped is why a packet is of no use, as docs/protocol.md names it.
type dropped string

func (d dropped) Error() string { return "announce dropped: " + string(d) }

// announce is what a node says of itself. Its fields are sound; its signature has not been looked at.
type announce struct {
	id        identity.NodeID
	port      uint16
	addresses []netip.Addr
	epoch     uint64 // milliseconds since the Unix epoch, 1 to 2^53 - 1
	leaving   bool
	signed    []byte
	signature []byte
}

func (a announce) isGenuine() bool {
	return identity.Verify(a.id, append([]byte(domain), a.signed...), a.signature)
}

// split takes a packet apart: 0a, length, announce, 12 40, signature. One form only, so that nobody but the signer can make another
// packet of an announce.
func split(packet []byte) (signed, signature []byte, err error) {
	if len(packet) > maxPacketBytes {
		return nil, nil, dropped("size")
	}
	if len(packet) == 0 || packet[0] != 0x0a {
		return nil, nil, dropped("structure")
	}
	length, n := binary.Uvarint(packet[1:])
	isShortest := n == 1 || n == 2 && length >= 0x80
	if !isShortest || length > maxAnnounceBytes || len(packet) != 1+n+int(length)+66 {
		return nil, nil, dropped("structure")
	}
	signed, rest := packet[1+n:1+n+int(length)], packet[1+n+int(length):]
	if rest[0] != 0x12 || rest[1] != 0x40 {
		return nil, nil, dropped("structure")
	}
	return signed, rest[2:], nil
}

// decode checks all of a packet but its signature, which costs ten times as much.
func decode(packet []byte, network [8]byte) (announce, error) {
	signed, signature, err := split(packet)
	if err != nil {
		return announce{}, err
	}
	var m pb.Announce
	if err := proto.Unmarshal(signed, &m); err != nil {
		return announce{}, dropped("structure")
	}
	switch {
	case m.GetVersion() != 1:
		return announce{}, dropped("version")
	case string(m.GetNetworkId()) != string(network[:]):
		return announce{}, dropped("network")
	case m.GetPort() < 1 || m.GetPort() > 65535:
		return announce{}, dropped("port")
	case m.GetEpochMs() < 1 || m.GetEpochMs() > maxEpoch:
		return announce{}, dropped("epoch")
	case len(m.GetCertificateSha256()) != 0 && len(m.GetCertificateSha256()) != 32:
		return announce{}, dropped("certificate")
	case len(m.GetAddresses()) > maxAddresses:
		return announce{}, dropped("address")
	}
	a := announce{
		port: uint16(m.GetPort()), epoch: m.GetEpochMs(), leaving: m.GetLeaving(), signed: signed, signature: signature,
	}
	for _, text := range m.GetAddresses() {
		address, err := netip.ParseAddr(text)
		if err != nil || len(text) > maxAddressChars || !isReachable(address) {
			return announce{}, dropped("address")
		}
		a.addresses = append(a.addresses, address)
	}
	if a.id, err = identity.NodeIDFromBytes(m.GetPublicKey()); err != nil {
		return announce{}, dropped("key")
	}
	return a, nil
}

func isReachable(address netip.Addr) bool {
	if address.Zone() != "" {
		return false
	}
	address = address.Unmap()
	if address.Is4() {
		first := address.As4()[0]
		return first != 0 && first < 224
	}
	return !address.IsUnspecified() && !address.IsMulticast()
}
