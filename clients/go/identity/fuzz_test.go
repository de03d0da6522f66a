package identity

import "testing"

func FuzzParseNodeID(f *testing.F) {
	id := GenerateKeys().ID()
	for _, text := range []string{id.String(), id.Base64URL(), "", "@", "@@", "=", string(make([]byte, 64)), "@" + id.Base64URL() + "="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseNodeID(text)
		if err != nil {
			return
		}
		if again, err := ParseNodeID(id.String()); err != nil || again != id {
			t.Fatalf("%q is read as %s, which is read as %s: %v", text, id, again, err)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	key := GenerateKeys().ID().Base64URL()
	for _, host := range []string{"127.0.0.1:1", "[::1]:65535", "a.example:80", "127.1:80", "[fe80::1%lo]:1", "a b:1", ":1", "a:0"} {
		f.Add("dswarm://" + key + "@" + host)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := ParseAddress(address.String()); err != nil || again != address {
			t.Fatalf("%q is read as %s, which is read as %s: %v", text, address, again, err)
		}
	})
}
