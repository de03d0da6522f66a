// Package channel makes links: TLS, websocket, handshake and box stream.
package channel

import (
	"io"
	"time"

	"github.com/dswarm/dswarm/clients/go/boxstream"
	"github.com/dswarm/dswarm/clients/go/handshake"
	"github.com/dswarm/dswarm/clients/go/identity"
)

const (
	handshakeTimeout = 5 * time.Second
	// closeTimeout is the time that a peer has to close the websocket, too.
	closeTimeout = time.Second
	// maxWrite keeps websocket messages below their limit of 1 MiB: 256 boxes less room for their headers.
	maxWrite = 900 << 10
)

// Link is a box stream over a connection.
type Link struct {
	conn     io.ReadWriteCloser
	remote   identity.NodeID
	isDialer bool
	reader   *boxstream.Reader
	writer   *boxstream.Writer
}

func newLink(conn io.ReadWriteCloser, result handshake.Result, isDialer bool) *Link {
	return &Link{
		conn: conn, remote: result.Remote, isDialer: isDialer,
		reader: boxstream.NewReader(conn, result.ReceiveKey, result.ReceiveNonce),
		writer: boxstream.NewWriter(conn, result.SendKey, result.SendNonce),
	}
}

// DialOver shakes hands as the dialer on a connection, which it closes on failure.
func DialOver(conn io.ReadWriteCloser, network identity.NetworkKey, keys *identity.Keys, remote identity.NodeID, timeout time.Duration) (*Link, error) {
	return over(conn, true, timeout, func() (handshake.Result, error) { return handshake.Dial(conn, network, keys, remote) })
}

// ListenOver shakes hands as the listener on a connection, which it closes on failure.
func ListenOver(conn io.ReadWriteCloser, network identity.NetworkKey, keys *identity.Keys) (*Link, error) {
	return over(conn, false, handshakeTimeout, func() (handshake.Result, error) { return handshake.Listen(conn, network, keys, nil) })
}

func over(conn io.ReadWriteCloser, isDialer bool, timeout time.Duration, shake func() (handshake.Result, error)) (*Link, error) {
	timer := time.AfterFunc(timeout, func() { _ = conn.Close() })
	result, err := shake()
	isInTime := timer.Stop()
	if err != nil || !isInTime {
		_ = conn.Close()
		if !isInTime {
			return nil, errHandshakeTimeout
		}
		return nil, err
	}
	return newLink(conn, result, isDialer), nil
}

// Read reads decrypted bytes.
func (l *Link) Read(p []byte) (int, error) { return l.reader.Read(p) }

// Write boxes bytes and sends them.
func (l *Link) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n, err := l.writer.Write(p[written:min(len(p), written+maxWrite)])
		if err != nil {
			return written, err
		}
		written += n
	}
	return len(p), nil
}

// Goodbye says that nothing more is written.
func (l *Link) Goodbye() error { return l.writer.Goodbye() }

// Close ends the connection after what was written; reads and writes under way fail within a second.
func (l *Link) Close() error {
	if shutter, ok := l.conn.(interface{ Shut() error }); ok {
		return shutter.Shut()
	}
	return l.conn.Close()
}

// RemoteID is the peer's proven key.
func (l *Link) RemoteID() identity.NodeID { return l.remote }

// IsDialer says whether this end dialed.
func (l *Link) IsDialer() bool { return l.isDialer }
