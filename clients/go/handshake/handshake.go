// Package handshake is Secret Handshake version 1: both ends prove their keys to each other and agree on those of a box stream.
package handshake

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/secretbox"

	"github.com/dswarm/dswarm/clients/go/identity"
)

const (
	helloBytes  = 64
	proofBytes  = 96  // signature and key of the dialer
	authBytes   = 112 // boxed proof
	acceptBytes = 80  // boxed signature of the listener
)

var (
	// ErrHello: the other end is of another network, or does not speak this.
	ErrHello = errors.New("hello_invalid: the hello is not of this network or not a hello")
	// ErrLowOrder: the other end's ephemeral key is of low order.
	ErrLowOrder = errors.New("hello_low_order: the hello carries an ephemeral key of low order")
	// ErrAuthentication: the other end does not hold the expected key, or refuses ours.
	ErrAuthentication = errors.New("authentication_failed: the peer does not hold the expected key, or refuses ours")
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

func newSide(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys) (*side, error) {
	s := &side{stream: stream, network: network, keys: keys, secret: make([]byte, 32)}
	rand.Read(s.secret)
	public, err := curve25519.X25519(s.secret, curve25519.Basepoint)
	s.public = public
	return s, err
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
	hello, err := s.read(helloBytes)
	if err != nil {
		return err
	}
	if !hmac.Equal(hello[:32], s.auth(hello[32:])) {
		return ErrHello
	}
	s.theirs = hello[32:]
	// Fails when the result is zero, which it is for keys of low order and for no others.
	if s.ab, err = curve25519.X25519(s.secret, s.theirs); err != nil {
		return ErrLowOrder
	}
	s.abHash = sha256.Sum256(s.ab)
	return nil
}

// read reads n bytes. An end within them is ErrAuthentication when the other end had to judge us, which looks the same.
func (s *side) read(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.stream, b); err != nil {
		return nil, err
	}
	return b, nil
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

// Dial proves our key to the holder of another, over a stream that this does not close.
func Dial(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, remote identity.NodeID) (Result, error) {
	s, err := newSide(stream, network, keys)
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
		return Result{}, err
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
		return Result{}, errors.Join(ErrAuthentication, err)
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

// Listen lets another end prove its key and proves ours to it. authorize may be nil, which allows every key.
func Listen(stream io.ReadWriter, network identity.NetworkKey, keys *identity.Keys, authorize func(identity.NodeID) bool) (Result, error) {
	s, err := newSide(stream, network, keys)
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
		return Result{}, err
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
	if authorize != nil && !authorize(remote) {
		return Result{}, errors.New("peer_not_allowed: the peer is not allowed")
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
