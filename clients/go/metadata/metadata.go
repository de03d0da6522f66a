// Package metadata has what travels with a call besides its messages.
package metadata

import (
	"context"
	"fmt"
	"strings"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	// MaxBytes bounds keys and values of one side together.
	MaxBytes = 16384
	// MaxEntries bounds the entries of one side.
	MaxEntries  = 128
	maxKeyBytes = 256
)

var (
	// ErrTooLarge is metadata_too_large: more than MaxBytes or MaxEntries. Errors that wrap it say how many.
	ErrTooLarge = status.Fail("metadata_too_large", "", nil)
	// ErrInvalid is metadata_invalid: a key or value with other characters than are allowed.
	ErrInvalid = status.Fail("metadata_invalid", "", nil)
)

// MD has the values of each key. Keys are in lower case; values are printable ASCII, or any bytes where the key ends in "-bin".
type MD map[string][]string

// Pairs makes metadata of keys and values in turn. It panics on an odd number.
func Pairs(pairs ...string) MD {
	if len(pairs)%2 != 0 {
		panic("metadata: an odd number of keys and values")
	}
	md := MD{}
	for i := 0; i < len(pairs); i += 2 {
		md.Append(pairs[i], pairs[i+1])
	}
	return md
}

// Get returns the values of a key.
func (md MD) Get(key string) []string { return md[strings.ToLower(key)] }

// Set replaces the values of a key.
func (md MD) Set(key string, values ...string) { md[strings.ToLower(key)] = values }

// Append adds values to a key.
func (md MD) Append(key string, values ...string) {
	key = strings.ToLower(key)
	md[key] = append(md[key], values...)
}

// Join merges metadata into a new one.
func Join(all ...MD) MD {
	joined := MD{}
	for _, md := range all {
		for key, values := range md {
			joined.Append(key, values...)
		}
	}
	return joined
}

// ToWire checks metadata and returns its entries.
func ToWire(md MD) ([]*pb.Metadata, error) {
	var entries []*pb.Metadata
	for key, values := range md {
		for _, value := range values {
			entries = append(entries, &pb.Metadata{Key: key, Value: []byte(value)})
		}
	}
	return entries, check(entries)
}

// FromWire checks entries and returns them as metadata, never nil when there is no error.
func FromWire(entries []*pb.Metadata) (MD, error) {
	if err := check(entries); err != nil {
		return nil, err
	}
	md := make(MD, len(entries))
	for _, entry := range entries {
		md[entry.GetKey()] = append(md[entry.GetKey()], string(entry.GetValue()))
	}
	return md, nil
}

func check(entries []*pb.Metadata) error {
	if len(entries) > MaxEntries {
		return status.Fail("metadata_too_large", fmt.Sprintf("%d entries, the limit is %d", len(entries), MaxEntries), ErrTooLarge)
	}
	size := 0
	for _, entry := range entries {
		size += len(entry.GetKey()) + len(entry.GetValue())
	}
	if size > MaxBytes {
		return status.TooLarge("metadata_too_large", size, MaxBytes).WithCause(ErrTooLarge)
	}
	for _, entry := range entries {
		if !isKey(entry.GetKey()) || !strings.HasSuffix(entry.GetKey(), "-bin") && !isPrintable(entry.GetValue()) {
			return ErrInvalid
		}
	}
	return nil
}

func isKey(key string) bool {
	for _, c := range []byte(key) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return len(key) >= 1 && len(key) <= maxKeyBytes
}

func isPrintable(value []byte) bool {
	for _, c := range value {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return true
}

type outgoingKey struct{}
type incomingKey struct{}

// NewOutgoingContext returns a context whose calls send the metadata.
func NewOutgoingContext(ctx context.Context, md MD) context.Context {
	return context.WithValue(ctx, outgoingKey{}, md)
}

// FromOutgoingContext returns what calls with the context send.
func FromOutgoingContext(ctx context.Context) (MD, bool) {
	md, ok := ctx.Value(outgoingKey{}).(MD)
	return md, ok
}

// NewIncomingContext returns the context of a handler that was sent the metadata.
func NewIncomingContext(ctx context.Context, md MD) context.Context {
	return context.WithValue(ctx, incomingKey{}, md)
}

// FromIncomingContext returns what a handler was sent.
func FromIncomingContext(ctx context.Context) (MD, bool) {
	md, ok := ctx.Value(incomingKey{}).(MD)
	return md, ok
}
