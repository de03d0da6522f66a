package dht

import (
	"testing"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
)

func providerWord(n byte, sequence uint64, isWithdrawn bool) *pb.Record {
	contact := &pb.Contact{Id: append(make([]byte, 31), n), Addresses: []string{"192.0.2.7:4000"}}
	word := &pb.ProviderRecord{Provider: contact, Sequence: sequence, Withdrawn: isWithdrawn}
	return &pb.Record{Kind: &pb.Record_Provider{Provider: word}}
}

func TestAnswersTakeTurnsAtNamingProviders(t *testing.T) {
	var lists providerLists
	var strangers []*pb.Record
	for n := range byte(64) {
		strangers = append(strangers, providerWord(100+n, 1, false))
	}
	lists.add(strangers)
	lists.add([]*pb.Record{providerWord(1, 1, false), providerWord(2, 1, false)})
	lists.add([]*pb.Record{providerWord(2, 2, true), providerWord(3, 1, false)})
	var found []byte
	for _, provider := range lists.take(5) {
		found = append(found, provider.ID[31])
	}
	if want := []byte{100, 1, 101, 3, 102}; string(found) != string(want) {
		t.Errorf("%v, not %v", found, want)
	}
	if all := lists.take(1000); len(all) != 66 {
		t.Errorf("%d in all", len(all))
	}
}
