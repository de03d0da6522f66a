package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
)

// Keys is a node's key pair. Secret: it prints as its public half.
type Keys struct {
	id      NodeID
	private ed25519.PrivateKey
}

// GenerateKeys makes a random key pair.
func GenerateKeys() *Keys {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails, as of Go 1.24
	keys, _ := KeysFromSeed(seed)
	return keys
}

// KeysFromSeed derives a key pair from 32 secret bytes.
func KeysFromSeed(seed []byte) (*Keys, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("a seed has 32 bytes, not %d", len(seed))
	}
	private := ed25519.NewKeyFromSeed(seed)
	return &Keys{id: NodeID(private.Public().(ed25519.PublicKey)), private: private}, nil
}

// ID is the public half.
func (k *Keys) ID() NodeID { return k.id }

// String is the id.
func (k *Keys) String() string { return k.id.String() }

// GoString is the id, so that %#v does not print the secret.
func (k *Keys) GoString() string { return k.id.String() }

// Seed is a copy of the 32 secret bytes.
func (k *Keys) Seed() []byte { return k.private.Seed() }

// Sign returns a signature of 64 bytes.
func (k *Keys) Sign(message []byte) []byte { return ed25519.Sign(k.private, message) }

// X25519 is the key as an X25519 private key, 32 bytes, secret.
func (k *Keys) X25519() []byte {
	digest := sha512.Sum512(k.private.Seed())
	return digest[:32]
}

// Verify says whether a signature is a node's over a message. It is strict, as docs/protocol.md says: besides what crypto/ed25519
// refuses, keys that NodeIDFromBytes refuses, and signatures with an R of small order.
func Verify(id NodeID, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize || isSmallOrder([32]byte(signature[:32])) {
		return false
	}
	if _, err := NodeIDFromBytes(id[:]); err != nil {
		return false
	}
	return ed25519.Verify(id[:], message, signature)
}
