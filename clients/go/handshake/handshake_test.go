package handshake

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/status"
)

// script is a stream whose other end says what it is to say, message by message.
type script struct {
	receives []vectors.Bytes
	sent     [][]byte
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.receives) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.receives[0])
	if s.receives[0] = s.receives[0][n:]; len(s.receives[0]) == 0 {
		s.receives = s.receives[1:]
	}
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.sent = append(s.sent, bytes.Clone(p))
	return len(p), nil
}

type handshakeCase struct {
	Role            string
	NetworkKey      vectors.Bytes `json:"network_key"`
	Seed            vectors.Bytes
	EphemeralKey    vectors.Bytes `json:"ephemeral_secret_key"`
	RemotePublicKey vectors.Bytes `json:"remote_public_key"`
	Sends, Receives []vectors.Bytes
	Error           string
	Result          struct {
		RemotePublicKey vectors.Bytes `json:"remote_public_key"`
		EncryptKey      vectors.Bytes `json:"encrypt_key"`
		EncryptNonce    vectors.Bytes `json:"encrypt_nonce"`
		DecryptKey      vectors.Bytes `json:"decrypt_key"`
		DecryptNonce    vectors.Bytes `json:"decrypt_nonce"`
	}
}

func TestHandshakes(t *testing.T) {
	vectors.Each(t, "handshakes.json", func(t *testing.T, v handshakeCase) {
		keys, err := identity.KeysFromSeed(v.Seed)
		if err != nil {
			t.Fatal(err)
		}
		stream := &script{receives: v.Receives}
		var result Result
		if v.Role == "dialer" {
			result, err = dial(stream, identity.NetworkKey(v.NetworkKey), keys, identity.NodeID(v.RemotePublicKey), v.EphemeralKey)
		} else {
			result, err = listen(stream, identity.NetworkKey(v.NetworkKey), keys, nil, v.EphemeralKey)
		}
		if status.ReasonOf(err) != v.Error || err != nil && v.Error == "" {
			t.Fatal(err)
		}
		if len(stream.sent) != len(v.Sends) {
			t.Fatalf("%d messages are sent, not %d", len(stream.sent), len(v.Sends))
		}
		for i := range v.Sends {
			if !bytes.Equal(stream.sent[i], v.Sends[i]) {
				t.Errorf("message %d is %x", i, stream.sent[i])
			}
		}
		if v.Error != "" {
			return
		}
		want := Result{
			Remote:  identity.NodeID(v.Result.RemotePublicKey),
			SendKey: [32]byte(v.Result.EncryptKey), SendNonce: [24]byte(v.Result.EncryptNonce),
			ReceiveKey: [32]byte(v.Result.DecryptKey), ReceiveNonce: [24]byte(v.Result.DecryptNonce),
		}
		if result != want {
			t.Errorf("%+v", result)
		}
	})
}

// shake runs both ends; each gives up when the other has.
func shake(dialer, listener, expected *identity.Keys, authorize func(identity.NodeID) bool) (dialed, heard error) {
	a, b := net.Pipe()
	network := identity.NetworkKeyOf("test")
	var group sync.WaitGroup
	group.Go(func() {
		_, dialed = Dial(a, network, dialer, expected.ID())
		a.Close()
	})
	_, heard = Listen(b, network, listener, authorize)
	b.Close()
	group.Wait()
	return dialed, heard
}

func TestBothEndsAgreeOrNeitherDoes(t *testing.T) {
	a, b, c := identity.GenerateKeys(), identity.GenerateKeys(), identity.GenerateKeys()
	if dialed, heard := shake(a, b, b, nil); dialed != nil || heard != nil {
		t.Error(dialed, heard)
	}
	dialed, heard := shake(a, b, c, nil)
	if status.ReasonOf(dialed) != "authentication_failed" || status.ReasonOf(heard) != "authentication_failed" {
		t.Error("another key than expected:", dialed, heard)
	}
	dialed, heard = shake(a, b, b, func(id identity.NodeID) bool { return id != a.ID() })
	if status.ReasonOf(dialed) != "authentication_failed" || status.ReasonOf(heard) != "peer_not_allowed" {
		t.Error("a key that is not allowed:", dialed, heard)
	}
}

func TestAStreamThatEndsEarlyIsTruncated(t *testing.T) {
	for name, v := range vectors.All[handshakeCase](t, "handshakes.json") {
		if v.Error != "" {
			continue
		}
		keys, err := identity.KeysFromSeed(v.Seed)
		if err != nil {
			t.Fatal(err)
		}
		all := append(bytes.Clone(v.Receives[0]), v.Receives[1]...)
		for n := range len(all) {
			stream, want := &script{}, "handshake_truncated"
			if n > 0 {
				stream.receives = []vectors.Bytes{all[:min(n, helloBytes)], all[min(n, helloBytes):n]}
				if n <= helloBytes {
					stream.receives = stream.receives[:1]
				}
			}
			ephemeral := bytes.Clone(v.EphemeralKey)
			if v.Role == "dialer" {
				_, err = dial(stream, identity.NetworkKey(v.NetworkKey), keys, identity.NodeID(v.RemotePublicKey), ephemeral)
				if n >= helloBytes {
					want = "authentication_failed" // a listener that refuses says no more than that
				}
			} else {
				_, err = listen(stream, identity.NetworkKey(v.NetworkKey), keys, nil, ephemeral)
			}
			if status.ReasonOf(err) != want {
				t.Fatalf("%s, after %d bytes: %v", name, n, err)
			}
		}
	}
}

func FuzzListen(f *testing.F) {
	for _, v := range vectors.All[handshakeCase](f, "handshakes.json") {
		if v.Role == "listener" {
			f.Add(bytes.Join([][]byte{v.Receives[0], v.Receives[len(v.Receives)-1]}, nil))
		}
	}
	keys, network := identity.GenerateKeys(), identity.NetworkKeyOf("dev")
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if _, err := Listen(&script{receives: []vectors.Bytes{bytes}}, network, keys, nil); err == nil {
			t.Fatal("a stranger's bytes prove a key")
		}
	})
}
