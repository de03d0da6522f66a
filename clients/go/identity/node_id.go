// Package identity has the keys of nodes, their text forms, and the keys of networks.
package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"filippo.io/edwards25519"
)

// NodeID is a node's ed25519 public key, 32 bytes. It is comparable. The zero value is not valid.
type NodeID [32]byte

var errNodeID = errors.New("node_id_invalid: not a valid node id")

// fieldPrime is 2^255 - 19, least significant byte first.
var fieldPrime = func() (p [32]byte) {
	for i := range p {
		p[i] = 0xff
	}
	p[0], p[31] = 0xed, 0x7f
	return p
}()

// NodeIDFromBytes checks 32 bytes: a canonical encoding of a point that is not of small order.
func NodeIDFromBytes(b []byte) (NodeID, error) {
	var id NodeID
	if len(b) != len(id) || !isCanonical(b) {
		return id, errNodeID
	}
	point, err := new(edwards25519.Point).SetBytes(b)
	if err != nil || new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return id, errNodeID
	}
	copy(id[:], b)
	return id, nil
}

// isCanonical says whether the y of an encoded point is below the field's prime.
func isCanonical(b []byte) bool {
	for i := 31; i >= 0; i-- {
		y := b[i]
		if i == 31 {
			y &= 0x7f
		}
		if y != fieldPrime[i] {
			return y < fieldPrime[i]
		}
	}
	return false
}

// ParseNodeID reads base64, base64url or hex, with or without "@" and "=".
func ParseNodeID(text string) (NodeID, error) {
	text = strings.TrimPrefix(text, "@")
	if len(text) == 64 {
		b, err := hex.DecodeString(text)
		if err != nil {
			return NodeID{}, errNodeID
		}
		return NodeIDFromBytes(b)
	}
	if len(text) == 44 {
		text = strings.TrimSuffix(text, "=")
	}
	if len(text) != 43 {
		return NodeID{}, errNodeID
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	b, err := encoding.Strict().DecodeString(text)
	if err != nil {
		return NodeID{}, errNodeID
	}
	return NodeIDFromBytes(b)
}

// String is "@" and 44 characters of base64.
func (id NodeID) String() string {
	return "@" + base64.StdEncoding.EncodeToString(id[:])
}

// Base64URL is 43 characters, without "@" and "=".
func (id NodeID) Base64URL() string {
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Montgomery is the key as an X25519 public key, 32 bytes.
func (id NodeID) Montgomery() ([]byte, error) {
	point, err := new(edwards25519.Point).SetBytes(id[:])
	if err != nil {
		return nil, errNodeID
	}
	return point.BytesMontgomery(), nil
}

// Closer says whether a is nearer to a target than b, by XOR.
func Closer(target, a, b [32]byte) bool {
	return bytes.Compare(xor(target, a), xor(target, b)) < 0
}

func xor(a, b [32]byte) []byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a[:]
}
