package identity

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"

	"github.com/dswarm/dswarm/clients/go/status"
)

// RecordKey is the key under which the DHT keeps records, 32 bytes, in the space of the node ids. It is comparable.
type RecordKey [32]byte

// ParseRecordKey reads base64, base64url or hex, with or without "&" and "=". Error record_key_invalid.
func ParseRecordKey(text string) (RecordKey, error) {
	b, ok := parse32Bytes(strings.TrimPrefix(text, "&"))
	if !ok {
		return RecordKey{}, status.Fail("record_key_invalid", `expected "&" and 44 characters of base64, or base64url, or hex`, nil)
	}
	return b, nil
}

// KeyOfValue is the key of an immutable value.
func KeyOfValue(value []byte) RecordKey { return sha256.Sum256(value) }

// KeyOfSigner is the key of a mutable record, of its signer and a salt of at most 64 bytes. Were it a SHA-256, what it is of would be
// a value under the same key, for anyone to put.
func KeyOfSigner(signer NodeID, salt []byte) RecordKey {
	of := append([]byte("dswarm-mutable-key-v1\x00"), signer[:]...)
	digest := sha512.Sum512(append(of, salt...))
	return RecordKey(digest[:32])
}

// KeyOfName is the key of the providers of something with a name; that of a service is its type name, "package.Service".
func KeyOfName(name string) RecordKey { return sha256.Sum256([]byte(name)) }

// String is "&" and 44 characters of base64.
func (k RecordKey) String() string { return "&" + base64.StdEncoding.EncodeToString(k[:]) }
