package dht

import (
	"bytes"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/status"
)

type recordCase struct {
	Record, Key, Seed, Signed, Signature, Value vectors.Bytes
	Kind, Sequence, Error                       string
	Addresses                                   []string
	Status                                      status.Code
	TTL                                         uint32 `json:"ttl_s"`
}

func TestRecords(t *testing.T) {
	vectors.Each(t, "records.json", func(t *testing.T, v recordCase) {
		var record pb.Record
		if err := proto.Unmarshal(v.Record, &record); err != nil {
			t.Fatal(err)
		}
		key, err := keyOf(&record)
		if v.Error != "" {
			if status.ReasonOf(err) != v.Error || status.CodeOf(err) != v.Status {
				t.Errorf("%v, not %s", err, v.Error)
			}
			return
		}
		if err != nil || !bytes.Equal(key[:], v.Key) || record.GetTtlS() != v.TTL {
			t.Fatalf("%s, %d, %v", key, record.GetTtlS(), err)
		}
		if v.Kind == "immutable" {
			if !bytes.Equal(record.GetImmutable().GetValue(), v.Value) {
				t.Error("another value")
			}
			return
		}
		keys, err := identity.KeysFromSeed(v.Seed)
		if err != nil {
			t.Fatal(err)
		}
		var signed []byte
		var sequence uint64
		switch v.Kind {
		case "mutable":
			signed, sequence = signedMutable(record.GetMutable()), record.GetMutable().GetSequence()
		case "provider":
			addresses, err := parseAddresses(record.GetProvider().GetProvider().GetAddresses())
			if err != nil || !slices.Equal(addresses, v.Addresses) {
				t.Errorf("%q, %v", addresses, err)
			}
			signed, sequence = signedProvider(record.GetProvider(), addresses), record.GetProvider().GetSequence()
		default:
			t.Fatalf("a record of the kind %q", v.Kind)
		}
		if !bytes.Equal(signed, v.Signed) || !bytes.Equal(keys.Sign(signed), v.Signature) {
			t.Errorf("signed is %x", signed)
		}
		if strconv.FormatUint(sequence, 10) != v.Sequence {
			t.Error("the sequence is", sequence)
		}
	})
}

func TestAddressesAreToldInTheirCanonicalForm(t *testing.T) {
	got, err := parseAddresses([]string{"[2001:DB8:0::1]:1", "[::ffff:192.0.2.1]:2", "192.0.2.1:2"})
	if err != nil || !slices.Equal(got, []string{"[2001:db8::1]:1", "192.0.2.1:2"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range [][]string{
		nil, {"a.example:1"}, {"0.1.2.3:1"}, {"255.255.255.255:1"}, {"[::]:1"}, {"[ff02::1]:1"}, {"192.0.2.1"}, {"[::ffff:0.0.0.0]:1"},
		{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.1:4", "192.0.2.1:5"},
	} {
		if got, err := parseAddresses(bad); status.ReasonOf(err) != "record_invalid" {
			t.Errorf("%q is read as %q, %v", bad, got, err)
		}
	}
}

func TestOfOneSequenceTheLargerSignatureStays(t *testing.T) {
	a := &pb.MutableRecord{Sequence: 1, Signature: []byte{1}}
	b := &pb.MutableRecord{Sequence: 1, Signature: []byte{2}}
	c := &pb.MutableRecord{Sequence: 2, Signature: []byte{0}}
	if !isNewer(b, a) || isNewer(a, b) || isNewer(a, a) || !isNewer(c, b) || isNewer(b, c) || isNewer(nil, a) {
		t.Error("another order")
	}
}

func FuzzKeyOf(f *testing.F) {
	for _, v := range vectors.All[recordCase](f, "records.json") {
		f.Add([]byte(v.Record))
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		var record pb.Record
		if proto.Unmarshal(encoded, &record) != nil {
			return
		}
		key, err := keyOf(&record)
		if err != nil {
			if status.ReasonOf(err) == "" {
				t.Fatal(err)
			}
			return
		}
		again, err := proto.Marshal(&record)
		if err != nil || proto.Unmarshal(again, &record) != nil {
			t.Fatal(err)
		}
		if other, err := keyOf(&record); err != nil || other != key {
			t.Fatalf("%s, encoded anew %s, %v", key, other, err)
		}
	})
}
