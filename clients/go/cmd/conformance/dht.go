package main

import (
	"context"
	"fmt"
	"strconv"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/dht"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

func (a *adapter) join(c command) (object, error) {
	network, keys, err := whoAndWhere(c)
	if err != nil {
		return nil, err
	}
	client, err := dht.NewClient(c.Bootstrap, dswarm.Options{NetworkKey: network, Keys: keys})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	name := fmt.Sprintf("dht %d", a.made)
	a.dhts[name] = client
	return object{"dht": name}, nil
}

func (a *adapter) onDHT(c command) (object, error) {
	a.mu.Lock()
	client := a.dhts[c.DHT]
	a.mu.Unlock()
	if client == nil {
		return nil, fmt.Errorf("there is no DHT %q", c.DHT)
	}
	ctx := context.Background()
	switch c.Do {
	case "put":
		published, err := client.Put(ctx, c.Value)
		return object{"key": published.Key[:], "replicas": len(published.Replicas)}, err
	case "get":
		return get(ctx, client, c)
	case "update":
		return update(ctx, client, c)
	case "provide":
		key, err := recordKey(c)
		if err != nil {
			return nil, err
		}
		provided, err := client.Provide(ctx, key, []string{c.Address})
		return object{"replicas": len(provided.Replicas)}, err
	case "findProviders":
		return findProviders(ctx, client, c)
	default:
		return object{}, client.Close()
	}
}

func recordKey(c command) (identity.RecordKey, error) {
	if len(c.Key) != 32 {
		return identity.RecordKey{}, fmt.Errorf("a key of %d bytes", len(c.Key))
	}
	return identity.RecordKey(c.Key), nil
}

func get(ctx context.Context, client *dht.Client, c command) (object, error) {
	key, err := recordKey(c)
	if err != nil {
		return nil, err
	}
	found, err := client.Get(ctx, key)
	if status.ReasonOf(err) == "record_not_found" {
		return object{"found": false}, nil
	}
	answer := object{"found": true, "value": found.Value}
	if found.Value == nil {
		answer["value"] = []byte{}
	}
	if found.Sequence != nil {
		answer["sequence"] = strconv.FormatUint(*found.Sequence, 10)
	}
	return answer, err
}

func update(ctx context.Context, client *dht.Client, c command) (object, error) {
	opts := dht.UpdateOptions{Salt: c.Salt}
	if c.ExpectedSequence != "" {
		expected, err := strconv.ParseUint(c.ExpectedSequence, 10, 64)
		if err != nil {
			return nil, err
		}
		opts.ExpectedSequence = &expected
	}
	updated, err := client.Update(ctx, c.Value, opts)
	sequence := strconv.FormatUint(updated.Sequence, 10)
	return object{"key": updated.Key[:], "sequence": sequence, "replicas": len(updated.Replicas)}, err
}

func findProviders(ctx context.Context, client *dht.Client, c command) (object, error) {
	key, err := recordKey(c)
	if err != nil {
		return nil, err
	}
	found, err := client.FindProviders(ctx, key)
	providers := []object{}
	for _, provider := range found {
		providers = append(providers, object{"id": provider.ID[:], "addresses": provider.Addresses})
	}
	return object{"providers": providers}, err
}
