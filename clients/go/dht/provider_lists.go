package dht

import (
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
)

// providerLists is what nodes have answered about the providers of one key.
type providerLists struct {
	newest map[identity.NodeID]*pb.ProviderRecord
	lists  [][]identity.NodeID
}

// add takes in what one node has answered.
func (p *providerLists) add(records []*pb.Record) {
	if p.newest == nil {
		p.newest = map[identity.NodeID]*pb.ProviderRecord{}
	}
	var list []identity.NodeID
	for _, record := range records {
		word := record.GetProvider()
		if word == nil {
			continue
		}
		id := identity.NodeID(word.GetProvider().GetId())
		if known := p.newest[id]; known == nil || known.GetSequence() < word.GetSequence() {
			p.newest[id] = word
		}
		list = append(list, id)
	}
	p.lists = append(p.lists, list)
}

// take returns at most limit of those that provide: the first of each answer, then the second of each, and so on.
func (p *providerLists) take(limit int) (providers []Provider) {
	taken := map[identity.NodeID]bool{}
	for at, isOver := 0, false; !isOver; at++ {
		isOver = true
		for _, list := range p.lists {
			if at >= len(list) {
				continue
			}
			isOver = false
			word := p.newest[list[at]]
			addresses, err := parseAddresses(word.GetProvider().GetAddresses())
			if err != nil || word.GetWithdrawn() || taken[list[at]] {
				continue
			}
			if len(providers) == limit {
				return providers
			}
			taken[list[at]] = true
			providers = append(providers, Provider{list[at], addresses})
		}
	}
	return providers
}
