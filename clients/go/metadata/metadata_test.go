package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestMetadataIsCheckedOnItsWayOutAndIn(t *testing.T) {
	many := MD{}
	for i := range MaxEntries {
		many.Append("k", fmt.Sprint(i))
	}
	for name, c := range map[string]struct {
		md   MD
		want error
	}{
		"text":               {Pairs("Some-Key", "some text"), nil},
		"bytes":              {Pairs("a-bin", "\x00\xff"), nil},
		"as many as allowed": {many, nil},
		"one too many":       {Join(many, Pairs("k", "")), ErrTooLarge},
		"as large":           {Pairs("k", strings.Repeat("v", MaxBytes-1)), nil},
		"too large":          {Pairs("k", strings.Repeat("v", MaxBytes)), ErrTooLarge},
		"an empty key":       {Pairs("", "v"), ErrInvalid},
		"a long key":         {Pairs(strings.Repeat("k", 257), "v"), ErrInvalid},
		"a strange key":      {Pairs("a key", "v"), ErrInvalid},
		"an upper key":       {MD{"Key": {"v"}}, ErrInvalid},
		"a line":             {Pairs("k", "a\nb"), ErrInvalid},
		"bytes in text":      {Pairs("k", "\xff"), ErrInvalid},
	} {
		entries, err := ToWire(c.md)
		if !errors.Is(err, c.want) {
			t.Errorf("%s goes out: %v", name, err)
		}
		back, err := FromWire(entries)
		if !errors.Is(err, c.want) {
			t.Errorf("%s comes in: %v", name, err)
		}
		if err == nil && fmt.Sprint(back) != fmt.Sprint(c.md) {
			t.Errorf("%s comes back as %v", name, back)
		}
	}
}

func TestContextsCarryMetadata(t *testing.T) {
	ctx := NewOutgoingContext(context.Background(), Pairs("a", "1", "a", "2"))
	if md, ok := FromOutgoingContext(ctx); !ok || !slices.Equal(md.Get("A"), []string{"1", "2"}) {
		t.Error(md)
	}
	if _, ok := FromIncomingContext(ctx); ok {
		t.Error("what goes out came in")
	}
}
