package identity_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/status"
)

type idCase struct {
	Kind, Text, Host, Printed, Error string
	Port                             int
	Bytes, Key, Seed, Value, Salt    vectors.Bytes
	NetworkKey                       vectors.Bytes `json:"network_key"`
	NetworkID                        vectors.Bytes `json:"network_id"`
	PublicKey                        vectors.Bytes `json:"public_key"`
}

func TestIDs(t *testing.T) {
	vectors.Each(t, "ids.json", func(t *testing.T, v idCase) {
		var got []byte
		var err error
		switch v.Kind {
		case "node_id":
			var id identity.NodeID
			if id, err = identity.ParseNodeID(v.Text); err == nil {
				got = id[:]
				again, againErr := identity.ParseNodeID(id.String())
				if againErr != nil || again != id {
					t.Errorf("%s is read as %v, %v", id, again, againErr)
				}
			}
		case "record_key":
			var key identity.RecordKey
			if key, err = identity.ParseRecordKey(v.Text); err == nil {
				got = key[:]
			}
		case "address":
			testAddress(t, v)
			return
		case "network":
			key := identity.NetworkKeyOf(v.Text)
			id := key.ID()
			if !bytes.Equal(key[:], v.NetworkKey) || !bytes.Equal(id[:], v.NetworkID) {
				t.Errorf("%x, %x", key, id)
			}
			return
		case "key_pair":
			var keys *identity.Keys
			if keys, err = identity.KeysFromSeed(v.Seed); err == nil {
				id := keys.ID()
				got = id[:]
			}
		case "key_of_value":
			key := identity.KeyOfValue(v.Value)
			got = key[:]
		case "key_of_signer":
			key := identity.KeyOfSigner(identity.NodeID(v.PublicKey), v.Salt)
			got = key[:]
		case "key_of_name":
			key := identity.KeyOfName(v.Text)
			got = key[:]
		default:
			t.Fatalf("a case of the kind %q", v.Kind)
		}
		if status.ReasonOf(err) != v.Error || v.Error == "" && err != nil || !bytes.Equal(got, v.Bytes) {
			t.Errorf("%x, %v", got, err)
		}
	})
}

func testAddress(t *testing.T, v idCase) {
	address, err := identity.ParseAddress(v.Text)
	if err != nil || v.Error != "" {
		if v.Error == "" || status.ReasonOf(err) != v.Error {
			t.Errorf("%v, %v", address, err)
		}
		return
	}
	host, port, err := identity.SplitHostPort(address.Host)
	if err != nil || !bytes.Equal(address.ID[:], v.Key) || host != v.Host || int(port) != v.Port || address.String() != v.Printed {
		t.Errorf("%v: %q %d %v", address, host, port, err)
	}
	if joined := identity.JoinHostPort(host, port); joined != address.Host {
		t.Errorf("%q is written %q", address.Host, joined)
	}
}

func TestDistances(t *testing.T) {
	type distanceCase struct {
		A, B, Distance, Target vectors.Bytes
		SharedBits             int `json:"shared_bits"`
		Keys                   []vectors.Bytes
		ClosestFirst           []vectors.Bytes `json:"closest_first"`
	}
	vectors.Each(t, "distances.json", func(t *testing.T, v distanceCase) {
		if v.Target == nil {
			a, b := [32]byte(v.A), [32]byte(v.B)
			if d := identity.Distance(a, b); !bytes.Equal(d[:], v.Distance) || identity.SharedBits(a, b) != v.SharedBits {
				t.Errorf("%x, %d", d, identity.SharedBits(a, b))
			}
			return
		}
		slices.SortFunc(v.Keys, func(a, b vectors.Bytes) int {
			return identity.CompareDistance([32]byte(v.Target), [32]byte(a), [32]byte(b))
		})
		if !slices.EqualFunc(v.Keys, v.ClosestFirst, func(a, b vectors.Bytes) bool { return bytes.Equal(a, b) }) {
			t.Errorf("%x", v.Keys)
		}
	})
}

type signatureCase struct{ PublicKey, Message, Signature, Seed vectors.Bytes }

func TestSignaturesOfTheRFC(t *testing.T) {
	vectors.Each(t, "ed25519-rfc8032.json", func(t *testing.T, v signatureCase) {
		keys, err := identity.KeysFromSeed(v.Seed)
		if err != nil || keys.ID() != identity.NodeID(v.PublicKey) || !bytes.Equal(keys.Sign(v.Message), v.Signature) {
			t.Error(keys, err)
		}
		if !identity.Verify(keys.ID(), v.Message, v.Signature) {
			t.Error("it does not verify")
		}
		v.Signature[3] ^= 1
		if identity.Verify(keys.ID(), v.Message, v.Signature) || identity.Verify(keys.ID(), v.Message, v.Signature[:63]) {
			t.Error("a changed one verifies")
		}
	})
}

func TestSignaturesThatLenientVerifiersAcceptAreRefused(t *testing.T) {
	vectors.Each(t, "ed25519-speccheck.json", func(t *testing.T, v signatureCase) {
		isAccepted := t.Name() == "TestSignaturesThatLenientVerifiersAcceptAreRefused/mixed-order_A_and_R,_both_equations_hold"
		if identity.Verify(identity.NodeID(v.PublicKey), v.Message, v.Signature) != isAccepted {
			t.Errorf("verification is not %v", isAccepted)
		}
	})
}

// The eight points of small order, by the sign bit too, and the encodings of them that are not canonical.
func TestKeysOfSmallOrderAreRefused(t *testing.T) {
	for _, text := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if id, err := identity.NodeIDFromBytes(b); status.ReasonOf(err) != "node_id_invalid" {
				t.Errorf("%s is taken", id)
			}
			if identity.Verify(identity.NodeID(b), []byte("any"), append(b, make([]byte, 32)...)) {
				t.Errorf("%s verifies a constant signature", text)
			}
			b[31] ^= 0x80
		}
	}
}

func TestAKeyThatIsNoPointVerifiesNothing(t *testing.T) {
	keys, refused := identity.GenerateKeys(), 0
	for i := byte(2); i < 40; i++ {
		id, err := identity.NodeIDFromBytes(append([]byte{i}, make([]byte, 31)...))
		if err != nil {
			continue
		}
		if _, err := id.Montgomery(); err != nil {
			refused++
		}
		if identity.Verify(id, nil, keys.Sign(nil)) {
			t.Errorf("%s verifies a signature of another", id)
		}
	}
	if refused == 0 {
		t.Error("each of 38 numbers is the y of a point")
	}
}
