// Package dht is a client of the DHT of a network (docs/protocol.md, section 7): it looks up, puts and gets, and verifies all that
// peers answer. It serves no DHT itself, so that it is in nobody's routing table.
package dht

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	dswarm "github.com/dswarm/dswarm/clients/go"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	queryTimeout   = 4 * time.Second
	quorum         = 3       // answers with a mutable record that a get waits for
	maxAnswerBytes = 262_144 // twice what an honest node answers at most
	maxRecords     = 130     // of an answer: one of each kind that may be, and 64 providers and as many withdrawn
	maxProviders   = 64
	maxTries       = 3
	ttlSeconds     = 86_400
)

// Client reaches a DHT by way of nodes that are known. Safe for concurrent use.
type Client struct {
	keys        *identity.Keys
	bootstrap   []contact
	connections *connections
	sequence    atomic.Uint64 // of the last provider record
}

// Value is what is kept under a key.
type Value struct {
	Value []byte
	// Sequence of a mutable value, which grows with every change; nil of an immutable one.
	Sequence *uint64
}

// Provider is a node that provides something.
type Provider struct {
	ID identity.NodeID
	// Addresses are "HOST:PORT", 1 to 4.
	Addresses []string
}

// Published says where a record was published.
type Published struct {
	Key identity.RecordKey
	// Sequence of the record; 0 of an immutable one.
	Sequence uint64
	// Replicas are the nodes that keep it, at least one; some by the word of another node that passed it on to them.
	Replicas []identity.NodeID
}

// NewClient makes a client that begins with the nodes at "dswarm://KEY@HOST:PORT". It dials when it is used. opts are those of its
// connections; without keys it takes new ones. Errors address_invalid, node_id_invalid.
func NewClient(bootstrap []string, opts dswarm.Options) (*Client, error) {
	if opts.Keys == nil {
		opts.Keys = identity.GenerateKeys()
	}
	c := &Client{keys: opts.Keys, connections: newConnections(opts)}
	for _, text := range bootstrap {
		address, err := identity.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		c.bootstrap = append(c.bootstrap, contact{address.ID, []string{address.Host}})
		c.connections.limits.trusted[address] = true
	}
	return c, nil
}

// ID is the key that signs what this client updates and provides.
func (c *Client) ID() identity.NodeID { return c.keys.ID() }

// FindPeer finds where a node is dialed, "HOST:PORT", by its key; none where nobody knows it. Errors as Get.
func (c *Client) FindPeer(ctx context.Context, id identity.NodeID) ([]string, error) {
	search := c.newLookup(id, c.askNodes(id), nil)
	search.enough, search.isConnected = alpha, c.connections.isOpen
	if _, err := search.run(ctx, c.bootstrap); err != nil {
		return nil, err
	}
	for _, known := range search.unfailed() {
		if known.id == id {
			return known.addresses, nil
		}
	}
	return nil, nil
}

// DialBy has the client make its connections by a function in place of dswarm.DialAddress. To be called before it is used.
func (c *Client) DialBy(dial func(context.Context, identity.Address) (*rpc.Conn, error)) {
	c.connections.dialOne = dial
}

// Close closes the connections.
func (c *Client) Close() error {
	c.connections.close()
	return nil
}

// Put publishes a value of at most 65,536 bytes; it is kept for a day. Errors record_too_large, store_refused or quota_exceeded when no
// node keeps it, and those of connecting when no node is reached.
func (c *Client) Put(ctx context.Context, value []byte) (Published, error) {
	return c.publish(ctx, &pb.Record{Kind: &pb.Record_Immutable{Immutable: &pb.ImmutableRecord{Value: value}}}, nil)
}

// Get finds the value under a key; of a mutable one the newest of three answers. Errors record_not_found, also of a deleted one, and
// those of connecting when no node is reached.
func (c *Client) Get(ctx context.Context, key identity.RecordKey) (Value, error) {
	record, err := c.find(ctx, key, quorum)
	switch {
	case err != nil:
		return Value{}, err
	case record.GetImmutable() != nil:
		return Value{Value: record.GetImmutable().GetValue()}, nil
	case record.GetMutable() != nil && !record.GetMutable().GetDeleted():
		sequence := record.GetMutable().GetSequence()
		return Value{record.GetMutable().GetValue(), &sequence}, nil
	default:
		return Value{}, status.Fail("record_not_found", "", nil)
	}
}

// UpdateOptions of a change.
type UpdateOptions struct {
	// Salt tells apart the values of one signer, at most 64 bytes.
	Salt []byte
	// ExpectedSequence is that of the value to be replaced, 0 where there is none yet. Nil replaces any.
	ExpectedSequence *uint64
}

// Update publishes a value under this client's key, in place of the one before. Errors as Put, record_conflict when another sequence is
// there than the expected one or another update comes between, record_invalid.
func (c *Client) Update(ctx context.Context, value []byte, opts UpdateOptions) (Published, error) {
	if err := errors.Join(checkSalt(opts.Salt), checkValue(value)); err != nil {
		return Published{}, err // whatever there is
	}
	id := c.keys.ID()
	current, err := c.find(ctx, identity.KeyOfSigner(id, opts.Salt), k)
	if err != nil {
		return Published{}, err
	}
	sequence := current.GetMutable().GetSequence()
	if opts.ExpectedSequence != nil && *opts.ExpectedSequence != sequence {
		return Published{}, status.Fail("record_conflict", fmt.Sprintf("it is %d, not %d", sequence, *opts.ExpectedSequence), nil)
	}
	if sequence == math.MaxUint64 {
		return Published{}, invalid("the largest sequence is used up")
	}
	m := &pb.MutableRecord{PublicKey: id[:], Salt: opts.Salt, Sequence: sequence + 1, Value: value}
	m.Signature = c.keys.Sign(signedMutable(m))
	return c.publish(ctx, &pb.Record{Kind: &pb.Record_Mutable{Mutable: m}}, opts.ExpectedSequence)
}

// Provide says that this client's key provides something at addresses, 1 to 4 "HOST:PORT" of IP addresses. This client listens nowhere: a
// node with its key is to serve at each. It dials them first, and publishes nothing if its key is not proven at one. Errors as Put,
// record_invalid, and those of dialing an address.
func (c *Client) Provide(ctx context.Context, key identity.RecordKey, addresses []string) (Published, error) {
	canonical, err := parseAddresses(addresses)
	if err != nil {
		return Published{}, err
	}
	if err := c.checkOwn(ctx, canonical); err != nil {
		return Published{}, err
	}
	id := c.keys.ID()
	for tries := 1; ; tries++ {
		p := &pb.ProviderRecord{
			Key: key[:], Provider: &pb.Contact{Id: id[:], Addresses: canonical}, Sequence: c.nextSequence(),
		}
		p.Signature = c.keys.Sign(signedProvider(p, canonical))
		published, err := c.publish(ctx, &pb.Record{Kind: &pb.Record_Provider{Provider: p}}, nil)
		if status.ReasonOf(err) != "record_conflict" || tries == maxTries {
			return published, err
		}
	}
}

// checkOwn dials addresses at which a node is to have this client's key.
func (c *Client) checkOwn(ctx context.Context, addresses []string) error {
	opts := c.connections.opts
	opts.Keys = nil // a node does not connect to its own key
	for _, host := range addresses {
		conn, err := dswarm.DialAddress(ctx, identity.Address{ID: c.keys.ID(), Host: host}, opts)
		if err != nil {
			return err
		}
		if err := conn.Close(); err != nil && status.ReasonOf(err) != "link_truncated" {
			return err
		}
	}
	return nil
}

// nextSequence is larger than all before, also where the clock was put back.
func (c *Client) nextSequence() uint64 {
	for {
		last := c.sequence.Load()
		if next := max(uint64(time.Now().UnixMilli()), last+1); c.sequence.CompareAndSwap(last, next) {
			return next
		}
	}
}

// passSequence makes the next sequence larger than one that this client's key has signed before.
func (c *Client) passSequence(sequence uint64) {
	for last := c.sequence.Load(); last < sequence && !c.sequence.CompareAndSwap(last, sequence); {
		last = c.sequence.Load()
	}
}

// FindProviders finds who provides what a key stands for (identity.KeyOfName), each by its newest word; at most 64. The nodes that answer
// take turns at naming them, so that none can fill the list with strangers. None is no error.
func (c *Client) FindProviders(ctx context.Context, key identity.RecordKey) ([]Provider, error) {
	var found providerLists
	_, err := c.lookup(ctx, key, c.askValue(key, false), func(records []*pb.Record) bool {
		found.add(records)
		return len(found.lists) >= quorum && len(found.take(maxProviders)) == maxProviders
	})
	return found.take(maxProviders), err
}

// find returns the value under a key: an immutable one, or the newest of so many answers with a mutable one; nil where there is none.
func (c *Client) find(ctx context.Context, key identity.RecordKey, answers int) (*pb.Record, error) {
	var best *pb.Record
	_, err := c.lookup(ctx, key, c.askValue(key, true), func(records []*pb.Record) bool {
		hasValue := false
		for _, record := range records {
			if record.GetProvider() != nil {
				continue
			}
			hasValue = true
			if best == nil || isNewer(record.GetMutable(), best.GetMutable()) {
				best = record
			}
		}
		if hasValue {
			answers--
		}
		return answers <= 0 || best.GetImmutable() != nil
	})
	return best, err
}

// isNewer says whether a replaces b. Nil, of an immutable record, neither replaces nor is replaced.
func isNewer(a, b *pb.MutableRecord) bool {
	if a == nil || b == nil {
		return false
	}
	if a.GetSequence() != b.GetSequence() {
		return a.GetSequence() > b.GetSequence()
	}
	return bytes.Compare(a.GetSignature(), b.GetSignature()) > 0
}

// publish has a record kept by the 20 closest nodes.
func (c *Client) publish(ctx context.Context, record *pb.Record, expected *uint64) (Published, error) {
	key, err := keyOf(record)
	if err != nil {
		return Published{}, err
	}
	record.TtlS = ttlSeconds
	search := c.newLookup(key, c.askNodes(key), nil)
	search.enough, search.isConnected = alpha, c.connections.isOpen
	if _, err := search.run(ctx, c.bootstrap); err != nil {
		return Published{}, err
	}
	bringing := &delivery{
		isConnected: c.connections.isOpen,
		store: func(ctx context.Context, to contact, forwardTo [][]byte) ([][]byte, error) {
			ctx, cancel := context.WithTimeout(ctx, queryTimeout)
			defer cancel()
			client, err := c.client(ctx, to)
			if err != nil {
				return nil, err
			}
			response, err := client.Store(ctx, &pb.StoreRequest{Record: record, ExpectedSequence: expected, ForwardTo: forwardTo}, boundedAnswer)
			return response.GetKeptBy(), err
		},
	}
	published := Published{Key: key, Sequence: sequenceOf(record)}
	var codes []status.Code
	for _, r := range bringing.run(ctx, search.unfailed()) {
		codes = append(codes, status.CodeOf(r.err))
		if r.err == nil {
			published.Replicas = append(published.Replicas, r.id)
		}
	}
	hasOneOf := func(some ...status.Code) bool {
		return slices.ContainsFunc(codes, func(code status.Code) bool { return slices.Contains(some, code) })
	}
	if record.GetImmutable() == nil && hasOneOf(status.Aborted, status.FailedPrecondition) {
		overtaken, err := c.isOvertaken(ctx, key, record)
		if err != nil {
			return Published{}, err
		}
		if overtaken {
			return Published{}, status.Fail("record_conflict", "another update has come between", nil)
		}
	}
	switch {
	case ctx.Err() != nil:
		return Published{}, status.FromError(ctx.Err())
	case hasOneOf(status.OK):
		return published, nil
	case hasOneOf(status.ResourceExhausted):
		return Published{}, status.Fail("quota_exceeded", "", nil)
	default:
		return Published{}, status.Fail("store_refused", "", nil)
	}
}

// isOvertaken says whether anybody shows a record that came between: who refuses one for that may lie. The next provider record is
// newer than all that it finds of this client's key.
func (c *Client) isOvertaken(ctx context.Context, key identity.RecordKey, ours *pb.Record) (overtaken bool, err error) {
	id := c.keys.ID()
	_, err = c.lookup(ctx, key, c.askValue(key, false), func(records []*pb.Record) bool {
		for _, other := range records {
			switch {
			case ours.GetMutable() != nil && other.GetMutable() != nil:
				overtaken = overtaken || isAhead(other.GetMutable(), ours.GetMutable())
			case ours.GetProvider() != nil && bytes.Equal(other.GetProvider().GetProvider().GetId(), id[:]):
				if isAhead(other.GetProvider(), ours.GetProvider()) {
					overtaken = true
					c.passSequence(other.GetProvider().GetSequence())
				}
			}
		}
		return overtaken && ours.GetMutable() != nil
	})
	return overtaken, err
}

// isAhead says whether a keeps b from being stored.
func isAhead(a, b interface {
	GetSequence() uint64
	GetSignature() []byte
}) bool {
	return a.GetSequence() >= b.GetSequence() && !bytes.Equal(a.GetSignature(), b.GetSignature())
}

func (c *Client) client(ctx context.Context, peer contact) (pb.DhtServiceClient, error) {
	conn, err := c.connections.get(ctx, peer)
	if err != nil {
		return nil, err
	}
	return pb.NewDhtServiceClient(conn), nil
}

type question func(context.Context, pb.DhtServiceClient) (answer, error)

func (c *Client) lookup(ctx context.Context, target [32]byte, ask question, take func([]*pb.Record) bool) ([]contact, error) {
	return c.newLookup(target, ask, take).run(ctx, c.bootstrap)
}

func (c *Client) newLookup(target [32]byte, ask question, take func([]*pb.Record) bool) *lookup {
	return &lookup{target: target, take: take, ask: func(ctx context.Context, peer contact) (answer, error) {
		ctx, cancel := context.WithTimeout(ctx, queryTimeout)
		defer cancel()
		client, err := c.client(ctx, peer)
		if err != nil {
			return answer{}, err
		}
		told, err := ask(ctx, client)
		if !peer.isNear() {
			told.contacts = elsewhere(told.contacts)
		}
		return told, err
	}}
}

// boundedAnswer refuses an answer of DhtService that is longer than docs/protocol.md allows, before it is decoded: a contact of two bytes
// takes a hundred in memory.
var boundedAnswer = rpc.MaxAnswerBytes(maxAnswerBytes)

func (c *Client) askNodes(target [32]byte) question {
	return func(ctx context.Context, client pb.DhtServiceClient) (answer, error) {
		response, err := client.FindNode(ctx, &pb.FindNodeRequest{Target: target[:]}, boundedAnswer)
		return answer{contacts: c.usable(response.GetContacts())}, err
	}
}

// askValue asks for records; of whoever has an immutable one for no contacts besides where that suffices. An answer with one that is not genuine, or of another key, counts as none.
func (c *Client) askValue(key identity.RecordKey, immutableSuffices bool) question {
	return func(ctx context.Context, client pb.DhtServiceClient) (answer, error) {
		response, err := client.FindValue(ctx, &pb.FindValueRequest{Key: key[:], ImmutableSuffices: immutableSuffices}, boundedAnswer)
		if err != nil {
			return answer{}, err
		}
		if len(response.GetRecords()) > maxRecords {
			return answer{}, invalid("too many records in one answer")
		}
		for _, record := range response.GetRecords() {
			found, err := keyOf(record)
			if err != nil {
				return answer{}, err
			}
			if found != key {
				return answer{}, invalid("a record of another key")
			}
		}
		return answer{c.usable(response.GetContacts()), response.GetRecords()}, nil
	}
}

// usable are the contacts of an answer that are heeded: the first 30, without this client and what is no contact.
func (c *Client) usable(contacts []*pb.Contact) []contact {
	var usable []contact
	for _, m := range contacts[:min(len(contacts), maxContacts)] {
		if parsed, err := parseContact(m); err == nil && parsed.id != c.keys.ID() {
			usable = append(usable, parsed)
		}
	}
	return usable
}
