package dht

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	maxValueBytes   = 65_536
	maxSaltBytes    = 64
	maxAddresses    = 4
	maxAddressChars = 64
	signatureBytes  = 64
)

// keyOf is the key of a record, all of which is checked. Errors record_invalid, record_too_large, record_forged.
func keyOf(record *pb.Record) (identity.RecordKey, error) {
	switch kind := record.GetKind().(type) {
	case *pb.Record_Immutable:
		value := kind.Immutable.GetValue()
		return identity.KeyOfValue(value), checkValue(value)
	case *pb.Record_Mutable:
		return keyOfMutable(kind.Mutable)
	case *pb.Record_Provider:
		return keyOfProvider(kind.Provider)
	default:
		return identity.RecordKey{}, invalid("no known kind")
	}
}

func keyOfMutable(m *pb.MutableRecord) (key identity.RecordKey, err error) {
	if err := checkValue(m.GetValue()); err != nil {
		return key, err
	}
	if err := checkSalt(m.GetSalt()); err != nil {
		return key, err
	}
	if m.GetDeleted() && len(m.GetValue()) > 0 {
		return key, invalid("deleted, and a value")
	}
	signer, err := signerOf(m.GetPublicKey(), m.GetSignature())
	if err != nil {
		return key, err
	}
	if !identity.Verify(signer, signedMutable(m), m.GetSignature()) {
		return key, status.Fail("record_forged", "", nil)
	}
	return identity.KeyOfSigner(signer, m.GetSalt()), nil
}

func keyOfProvider(p *pb.ProviderRecord) (key identity.RecordKey, err error) {
	if len(p.GetKey()) != len(key) {
		return key, invalid("a key of another length than 32 bytes")
	}
	addresses, err := parseAddresses(p.GetProvider().GetAddresses())
	if err != nil {
		return key, err
	}
	signer, err := signerOf(p.GetProvider().GetId(), p.GetSignature())
	if err != nil {
		return key, err
	}
	if !identity.Verify(signer, signedProvider(p, addresses), p.GetSignature()) {
		return key, status.Fail("record_forged", "", nil)
	}
	return identity.RecordKey(p.GetKey()), nil
}

// signedMutable is what the signature of a mutable record is over. The salt has at most 64 bytes.
func signedMutable(m *pb.MutableRecord) []byte {
	b := append([]byte("dswarm-mutable-v1\x00"), byte(len(m.GetSalt())))
	b = append(b, m.GetSalt()...)
	b = binary.BigEndian.AppendUint64(b, m.GetSequence())
	b = append(b, bit(m.GetDeleted()))
	digest := sha256.Sum256(m.GetValue())
	return append(b, digest[:]...)
}

// signedProvider is what the signature of a provider is over. The addresses are in canonical form, at most 64 characters each.
func signedProvider(p *pb.ProviderRecord, addresses []string) []byte {
	b := append([]byte("dswarm-provider-v1\x00"), p.GetKey()...)
	b = binary.BigEndian.AppendUint64(b, p.GetSequence())
	b = append(b, bit(p.GetWithdrawn()))
	for _, address := range addresses {
		b = append(append(b, byte(len(address))), address...)
	}
	return b
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// contact is a node and where it may be reached.
type contact struct {
	id        identity.NodeID
	addresses []string // "HOST:PORT", 1 to 4
}

// parseContact reads a contact that a peer tells. Errors record_invalid, node_id_invalid.
func parseContact(m *pb.Contact) (contact, error) {
	id, err := identity.NodeIDFromBytes(m.GetId())
	if err != nil {
		return contact{}, err
	}
	addresses, err := parseAddresses(m.GetAddresses())
	return contact{id, addresses}, err
}

// parseAddresses returns 1 to 4 "HOST:PORT" in canonical form: IPv6 shortened, IPv4 that is mapped to IPv6 as IPv4, none twice.
// Error record_invalid.
func parseAddresses(texts []string) ([]string, error) {
	if len(texts) < 1 || len(texts) > maxAddresses {
		return nil, invalid("1 to 4 addresses belong to a contact")
	}
	var addresses []string
	for _, text := range texts {
		host, port, err := identity.SplitHostPort(text)
		if err != nil || len(text) > maxAddressChars {
			return nil, invalid("an address that is no HOST:PORT")
		}
		ip, err := netip.ParseAddr(host)
		if err != nil || !isDialable(ip.Unmap()) {
			return nil, invalid("an address that is not an IP address of one machine")
		}
		address := netip.AddrPortFrom(ip.Unmap(), port).String()
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}

func isDialable(ip netip.Addr) bool {
	if ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return false
	}
	return !ip.Is4() || ip.As4()[0] != 0 && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func signerOf(id, signature []byte) (identity.NodeID, error) {
	signer, err := identity.NodeIDFromBytes(id)
	if err != nil || len(signature) != signatureBytes {
		return signer, invalid("a signer or a signature that is none")
	}
	return signer, nil
}

func checkValue(value []byte) error {
	if len(value) > maxValueBytes {
		return status.TooLarge("record_too_large", len(value), maxValueBytes)
	}
	return nil
}

func checkSalt(salt []byte) error {
	if len(salt) > maxSaltBytes {
		return invalid("a salt over the size limit: " + status.OverLimit(len(salt), maxSaltBytes))
	}
	return nil
}

func invalid(detail string) error { return status.Fail("record_invalid", detail, nil) }

// isNear says whether a contact is, or may be, on this machine: of a host that the program named it is not known what it stands for.
func (c contact) isNear() bool {
	return slices.ContainsFunc(c.addresses, func(address string) bool {
		host, err := netip.ParseAddrPort(address)
		return err != nil || isLoopback(host)
	})
}

// elsewhere leaves out addresses of loopback, which only who is on this machine may tell, and contacts that have no others.
func elsewhere(contacts []contact) (usable []contact) {
	for _, c := range contacts {
		c.addresses = slices.DeleteFunc(slices.Clone(c.addresses), func(address string) bool {
			host, err := netip.ParseAddrPort(address)
			return err == nil && isLoopback(host)
		})
		if len(c.addresses) > 0 {
			usable = append(usable, c)
		}
	}
	return usable
}

func isLoopback(address netip.AddrPort) bool { return address.Addr().Unmap().IsLoopback() }

// sequenceOf returns the sequence of a record; 0 of an immutable one, which has none.
func sequenceOf(record *pb.Record) uint64 {
	if record.GetProvider() != nil {
		return record.GetProvider().GetSequence()
	}
	return record.GetMutable().GetSequence()
}
