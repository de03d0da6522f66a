package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	path        = "/dht"
	subprotocol = "dswarm.v1"
	maxMessage  = 1 << 20
)

var errHandshakeTimeout = status.Fail("handshake_timeout", "", nil)

// Dial connects to a node and proves both keys, within a time, of which 0 stands for 5 s.
func Dial(ctx context.Context, to identity.Address, network identity.NetworkKey, keys *identity.Keys, timeout time.Duration) (*Link, error) {
	if timeout == 0 {
		timeout = handshakeTimeout
	}
	if _, _, err := identity.SplitHostPort(to.Host); err != nil {
		return nil, err
	}
	if to.ID == keys.ID() {
		return nil, status.Fail("self_connection", "", nil)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errHandshakeTimeout)
	defer cancel()
	conn, err := dialWebsocket(ctx, to.Host)
	if err != nil {
		return nil, dialError(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	link, err := DialOver(conn, network, keys, to.ID, timeout)
	if err != nil {
		stop()
		if ctx.Err() == nil && status.ReasonOf(err) == "" && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return nil, hungUp(err)
		}
		return nil, dialError(ctx, err)
	}
	if !stop() {
		_ = link.Close()
		return nil, dialError(ctx, ctx.Err())
	}
	return link, nil
}

// dialWebsocket opens a websocket. TLS authenticates nobody here, so any certificate will do; the handshake follows.
func dialWebsocket(ctx context.Context, host string) (*socket, error) {
	s := &socket{}
	transport := &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			name, _, _ := net.SplitHostPort(address) // it was dialed
			secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, ServerName: name})
			if err := secure.HandshakeContext(ctx); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			s.tcp, s.frames = conn, &watched{Conn: secure, floods: newFloodBudget()}
			return s.frames, nil
		},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 16 << 10,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return status.Fail("not_dswarm", "a redirect", nil) },
	}
	ws, _, err := websocket.Dial(ctx, "wss://"+host+path, &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	if ws.Subprotocol() != subprotocol {
		_ = ws.CloseNow()
		return nil, status.Fail("not_dswarm", "the subprotocol is refused", nil)
	}
	ws.SetReadLimit(maxMessage)
	s.ws = ws
	return s, nil
}

// hungUp is a handshake that the listener has ended. It does not say what is wrong with a hello.
func hungUp(err error) error {
	return status.Fail("hello_invalid", "the peer hung up on ours; it may be on another network", err)
}

func dialError(ctx context.Context, err error) error {
	var network *net.OpError
	switch {
	case errors.Is(context.Cause(ctx), errHandshakeTimeout) || errors.Is(err, errHandshakeTimeout):
		return status.Fail("handshake_timeout", "", err)
	case ctx.Err() != nil:
		return status.FromError(ctx.Err())
	case websocket.CloseStatus(err) == websocket.StatusGoingAway:
		return status.Fail("unreachable", "it closes down", err)
	case status.ReasonOf(err) == "handshake_truncated":
		return hungUp(err)
	case status.ReasonOf(err) != "":
		return status.FromError(err)
	case errors.As(err, &network) && network.Op == "dial":
		return status.Fail("unreachable", network.Error(), err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return status.Fail("handshake_truncated", "", err)
	default:
		return status.Fail("not_dswarm", err.Error(), err)
	}
}
