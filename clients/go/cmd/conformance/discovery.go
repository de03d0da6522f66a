package main

import (
	"fmt"

	"github.com/dswarm/dswarm/clients/go/discovery"
)

func (a *adapter) discover(c command) (object, error) {
	network, _, err := whoAndWhere(c)
	if err != nil {
		return nil, err
	}
	listening, err := discovery.Listen(discovery.Options{NetworkKey: network, UDPPort: c.UDPPort})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	name := fmt.Sprintf("discovery %d", a.made)
	a.discoveries[name] = listening
	return object{"discovery": name}, nil
}

func (a *adapter) discovery(name string) (*discovery.Discovery, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.discoveries[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("there is no discovery %q", name)
}

func (a *adapter) peers(c command) (object, error) {
	listening, err := a.discovery(c.Discovery)
	if err != nil {
		return nil, err
	}
	peers := []object{}
	for _, peer := range listening.Peers() {
		peers = append(peers, object{"id": peer.ID[:], "addresses": peer.Addresses})
	}
	return object{"peers": peers}, nil
}

func (a *adapter) closeDiscovery(c command) (object, error) {
	listening, err := a.discovery(c.Discovery)
	if err != nil {
		return nil, err
	}
	return object{}, listening.Close()
}
