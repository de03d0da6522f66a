// Package handshake is Secret Handshake version 1: both ends prove their keys to each other and agree on those of a box stream.
package handshake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"io"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	helloBytes  = 64
	proofBytes  = 96  // signature and key of the dialer
	authBytes   = 112 // boxed proof
	acceptBytes = 80  // boxed signature of the listener
)

var (
	// ErrHello is hello_invalid: the other end is of another network, or does not speak this.
	ErrHello = status.Fail("hello_invalid", "", nil)
	// ErrLowOrder is hello_low_order: the other end's ephemeral key is of low order.
	ErrLowOrder = status.Fail("hello_low_order", "", nil)
	// ErrAuthentication is authentication_failed: the other end does not hold the expected key, or refuses ours.
	ErrAuthentication = status.Fail("authentication_failed", "", nil)
)

// Result is what both ends have agreed on.
type Result struct {
	Remote                  identity.NodeID
	SendKey, ReceiveKey     [32]byte
	SendNonce, ReceiveNonce [24]byte
}

// side is what both roles share.
type side struct {
	stream  io.ReadWriter
	network identity.NetworkKey
	keys    *identity.Keys
	secret  []byte // ephemeral, 32 bytes
	public  []byte // ephemeral, 32 bytes
	theirs  []byte // ephemeral, 32 bytes
	ab      []byte // shared secret of the ephemeral keys
	abHash  [32]byte
}

func newSide(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, ephemeral []byte) (*side, error) {
	public, err := curve25519.X25519(ephemeral, curve25519.Basepoint)
	return &side{stream: stream, network: network, keys: keys, secret: ephemeral, public: public}, err
}

func newEphemeral() []byte {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails, as of Go 1.24
	return secret
}

// auth is libsodium's crypto_auth: HMAC-SHA-512, of which the first 32 bytes count.
func (s *side) auth(message []byte) []byte {
	mac := hmac.New(sha512.New, s.network[:])
	mac.Write(message)
	return mac.Sum(nil)[:32]
}

func (s *side) sendHello() error {
	_, err := s.stream.Write(append(s.auth(s.public), s.public...))
	return err
}

func (s *side) receiveHello() error {
	hello := make([]byte, helloBytes+1)
	n, err := io.ReadAtLeast(s.stream, hello, helloBytes)
	if err != nil {
		return truncated(err)
	}
	hello = hello[:helloBytes]
	// What comes with it cannot be an answer to ours.
	if n > helloBytes || !hmac.Equal(hello[:32], s.auth(hello[32:])) {
		return ErrHello
	}
	s.theirs = hello[32:]
	// Fails, in constant time, when the result is zero, which it is for keys of low order in any encoding and for no others.
	if s.ab, err = curve25519.X25519(s.secret, s.theirs); err != nil {
		return ErrLowOrder
	}
	s.abHash = sha256.Sum256(s.ab)
	return nil
}

func truncated(err error) error {
	if status.ReasonOf(err) != "" {
		return err
	}
	return status.Fail("handshake_truncated", "", err)
}

func (s *side) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.stream, b)
	return b, err
}

func (s *side) result(remote identity.NodeID, boxKey [32]byte) Result {
	secret := sha256.Sum256(boxKey[:])
	own := s.keys.ID()
	return Result{
		Remote:       remote,
		SendKey:      sha256.Sum256(join(secret[:], remote[:])),
		ReceiveKey:   sha256.Sum256(join(secret[:], own[:])),
		SendNonce:    [24]byte(s.auth(s.theirs)),
		ReceiveNonce: [24]byte(s.auth(s.public)),
	}
}

// Dial proves our key to the holder of another, over a stream that this does not close. Errors hello_invalid, hello_low_order,
// authentication_failed, handshake_truncated, and what writing fails with.
func Dial(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, remote identity.NodeID) (Result, error) {
	return dial(stream, network, keys, remote, newEphemeral())
}

func dial(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, remote identity.NodeID, ephemeral []byte) (Result, error) {
	defer clear(ephemeral)
	s, err := newSide(stream, network, keys, ephemeral)
	if err != nil {
		return Result{}, err
	}
	if err := s.sendHello(); err != nil {
		return Result{}, err
	}
	if err := s.receiveHello(); err != nil {
		return Result{}, err
	}
	theirCurve, err := remote.Montgomery()
	if err != nil {
		return Result{}, ErrAuthentication
	}
	aB, err := curve25519.X25519(s.secret, theirCurve)
	if err != nil {
		return Result{}, ErrAuthentication
	}
	own := keys.ID()
	proof := append(keys.Sign(join(network[:], remote[:], s.abHash[:])), own[:]...)
	proofKey := sha256.Sum256(join(network[:], s.ab, aB))
	if _, err := stream.Write(seal(proof, &proofKey)); err != nil {
		return Result{}, err
	}
	accept, err := s.read(acceptBytes)
	if err != nil {
		return Result{}, status.Fail("authentication_failed", "", err) // the listener tells no more
	}
	Ab, err := curve25519.X25519(keys.X25519(), s.theirs)
	if err != nil {
		return Result{}, ErrAuthentication
	}
	acceptKey := sha256.Sum256(join(network[:], s.ab, aB, Ab))
	signature, ok := open(accept, &acceptKey)
	if !ok || !identity.Verify(remote, join(network[:], proof, s.abHash[:]), signature) {
		return Result{}, ErrAuthentication
	}
	return s.result(remote, acceptKey), nil
}

// Listen lets another end prove its key and proves ours to it. authorize may be nil, which allows every key. Errors as of Dial, and
// self_connection, peer_not_allowed.
func Listen(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, authorize func(identity.NodeID) bool) (Result, error) {
	return listen(stream, network, keys, authorize, newEphemeral())
}

func listen(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, authorize func(identity.NodeID) bool, ephemeral []byte) (Result, error) {
	defer clear(ephemeral)
	s, err := newSide(stream, network, keys, ephemeral)
	if err != nil {
		return Result{}, err
	}
	if err := s.receiveHello(); err != nil {
		return Result{}, err
	}
	if err := s.sendHello(); err != nil {
		return Result{}, err
	}
	auth, err := s.read(authBytes)
	if err != nil {
		return Result{}, truncated(err)
	}
	aB, err := curve25519.X25519(keys.X25519(), s.theirs)
	if err != nil {
		return Result{}, ErrAuthentication
	}
	proofKey := sha256.Sum256(join(network[:], s.ab, aB))
	proof, ok := open(auth, &proofKey)
	if !ok || len(proof) != proofBytes {
		return Result{}, ErrAuthentication
	}
	remote, err := identity.NodeIDFromBytes(proof[64:])
	if err != nil {
		return Result{}, ErrAuthentication
	}
	own := keys.ID()
	if !identity.Verify(remote, join(network[:], own[:], s.abHash[:]), proof[:64]) {
		return Result{}, ErrAuthentication
	}
	if remote == own {
		return Result{}, status.Fail("self_connection", "", nil)
	}
	if authorize != nil && !authorize(remote) {
		return Result{}, status.Fail("peer_not_allowed", "", nil)
	}
	theirCurve, err := remote.Montgomery()
	if err != nil {
		return Result{}, ErrAuthentication
	}
	Ab, err := curve25519.X25519(s.secret, theirCurve)
	if err != nil {
		return Result{}, ErrAuthentication
	}
	acceptKey := sha256.Sum256(join(network[:], s.ab, aB, Ab))
	signature := keys.Sign(join(network[:], proof, s.abHash[:]))
	if _, err := stream.Write(seal(signature, &acceptKey)); err != nil {
		return Result{}, err
	}
	return s.result(remote, acceptKey), nil
}

func seal(message []byte, key *[32]byte) []byte {
	return secretbox.Seal(nil, message, new([24]byte), key)
}

func open(box []byte, key *[32]byte) ([]byte, bool) {
	return secretbox.Open(nil, box, new([24]byte), key)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
