// Package identity has the keys of nodes, their text forms, and the keys of networks.
package identity

import (
	"encoding/base64"
	"strings"

	"filippo.io/edwards25519"

	"github.com/dswarm/dswarm/clients/go/status"
)

// NodeID is a node's ed25519 public key, 32 bytes. It is comparable. The zero value is not valid.
type NodeID [32]byte

var errNodeID = status.Fail("node_id_invalid", "", nil)

// fieldPrime is 2^255 - 19, least significant byte first.
var fieldPrime = func() (p [32]byte) {
	for i := range p {
		p[i] = 0xff
	}
	p[0], p[31] = 0xed, 0x7f
	return p
}()

// NodeIDFromBytes checks 32 bytes: a canonical y that is not of a point of small order. Whether they are a point of the curve at all
// shows when they are computed with. Error node_id_invalid.
func NodeIDFromBytes(b []byte) (NodeID, error) {
	if len(b) != len(NodeID{}) || !isCanonical(b) || isSmallOrder([32]byte(b)) {
		return NodeID{}, errNodeID
	}
	return NodeID(b), nil
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

// ParseNodeID reads base64, base64url or hex, with or without "@" and "=". Error node_id_invalid.
func ParseNodeID(text string) (NodeID, error) {
	b, ok := parse32Bytes(strings.TrimPrefix(text, "@"))
	if !ok {
		return NodeID{}, status.Fail("node_id_invalid", `expected "@" and 44 characters of base64, or base64url, or hex`, nil)
	}
	return NodeIDFromBytes(b[:])
}

// String is "@" and 44 characters of base64.
func (id NodeID) String() string {
	return "@" + base64.StdEncoding.EncodeToString(id[:])
}

// Base64URL is 43 characters, without "@" and "=".
func (id NodeID) Base64URL() string {
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Montgomery is the key as an X25519 public key, 32 bytes. Error node_id_invalid where it is no point of the curve.
func (id NodeID) Montgomery() ([]byte, error) {
	point, err := new(edwards25519.Point).SetBytes(id[:])
	if err != nil {
		return nil, errNodeID
	}
	return point.BytesMontgomery(), nil
}
