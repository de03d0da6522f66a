package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	"github.com/dswarm/dswarm/clients/go/metadata"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

// call is a call under way.
type call struct {
	ctx            context.Context
	cancel         context.CancelFunc
	resume, finish func()
	resumed        chan struct{}
	finished       chan struct{}
	sent, received atomic.Int64
	hash           hash.Hash
	bytes          int
	cancelAfter    int64
	header         metadata.MD
	trailer        metadata.MD
	collected      object
}

func newCall() *call {
	k := &call{resumed: make(chan struct{}), finished: make(chan struct{}), hash: sha256.New()}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.resume = sync.OnceFunc(func() { close(k.resumed) })
	k.finish = sync.OnceFunc(func() { close(k.finished) })
	return k
}

func (a *adapter) onCall(c command) (object, error) {
	a.mu.Lock()
	k := a.calls[c.Call]
	a.mu.Unlock()
	if k == nil {
		return nil, fmt.Errorf("there is no call %q", c.Call)
	}
	switch c.Do {
	case "resume":
		k.resume()
	case "finish":
		k.finish()
	case "cancel":
		k.cancel()
	default:
		return object{"sent": k.sent.Load(), "received": k.received.Load()}, nil
	}
	return object{}, nil
}

// payloads are those that a command asks to be sent, in order.
func payloads(specs []requestSpec, yield func([]byte) error) error {
	for _, spec := range specs {
		payload := bytes.Repeat([]byte{byte(spec.Size % 251)}, spec.Size)
		if spec.Text != nil {
			payload = []byte(*spec.Text)
		}
		for range max(spec.Times, 1) {
			if err := yield(payload); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *adapter) call(c command, k *call) (object, error) {
	connection, err := a.connection(c.Connection)
	if err != nil {
		return nil, err
	}
	defer k.cancel()
	ctx := k.ctx
	if c.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, milliseconds(c.TimeoutMs))
		defer cancel()
	}
	md := metadata.MD{}
	for _, entry := range c.Metadata {
		value := entry[1]
		if strings.HasSuffix(entry[0], "-bin") {
			raw, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, err
			}
			value = string(raw)
		}
		md[entry[0]] = append(md[entry[0]], value)
	}
	if len(md) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	k.cancelAfter = int64(c.CancelAfter)
	failure := status.FromError(k.run(ctx, echo.NewEchoServiceClient(connection.conn), c))
	outcome := object{
		"code": 0, "message": "", "details": []object{}, "header": pairs(k.header), "trailer": pairs(k.trailer),
		"messages": k.received.Load(), "bytes": k.bytes, "sha256": hex.EncodeToString(k.hash.Sum(nil)), "collected": k.collected,
	}
	if failure != nil {
		details := []object{}
		for _, detail := range failure.Details {
			name := detail.GetTypeUrl()
			details = append(details, object{"type": name[strings.LastIndexByte(name, '/')+1:], "value": detail.GetValue()})
		}
		outcome["code"], outcome["message"], outcome["details"] = failure.Code, failure.Message, details
		if failure.Reason != "" {
			outcome["reason"] = failure.Reason
		}
	}
	return outcome, nil
}

func pairs(md metadata.MD) [][2]string {
	all := [][2]string{}
	for key, values := range md {
		for _, value := range values {
			if strings.HasSuffix(key, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			all = append(all, [2]string{key, value})
		}
	}
	return all
}

func (k *call) take(payload []byte) {
	k.hash.Write(payload)
	k.bytes += len(payload)
	if k.received.Add(1) == k.cancelAfter {
		k.cancel()
	}
}

func (k *call) run(ctx context.Context, client echo.EchoServiceClient, c command) error {
	options := []rpc.CallOption{rpc.Header(&k.header), rpc.Trailer(&k.trailer)}
	var first []byte
	_ = payloads(c.Requests, func(p []byte) error { first = p; return io.EOF }) // the first is enough
	switch c.Method {
	case "Echo":
		answer, err := client.Echo(ctx, &echo.EchoRequest{Payload: first}, options...)
		if err == nil {
			k.take(answer.GetPayload())
		}
		return err
	case "Repeat":
		stream, err := client.Repeat(ctx, &echo.RepeatRequest{Payload: first, Count: c.Count}, options...)
		if err != nil {
			return err
		}
		return receiveAll(ctx, k, c.Paused, stream.Recv)
	case "Collect":
		stream, err := client.Collect(ctx, options...)
		if err != nil {
			return err
		}
		go func() {
			k.send(ctx, c, func(p []byte) error { return stream.Send(&echo.CollectRequest{Payload: p}) })
			_ = stream.CloseSend() // receiving says how the call ends
		}()
		answer := &echo.CollectResponse{}
		err = stream.RecvMsg(answer)
		if err == nil {
			k.collected = object{"count": answer.GetCount(), "bytes": answer.GetBytes()}
			k.received.Add(1)
		}
		return err
	case "Converse":
		stream, err := client.Converse(ctx, options...)
		if err != nil {
			return err
		}
		go func() {
			k.send(ctx, c, func(p []byte) error { return stream.Send(&echo.ConverseRequest{Payload: p}) })
			_ = stream.CloseSend() // receiving says how the call ends
		}()
		return receiveAll(ctx, k, c.Paused, stream.Recv)
	default:
		return fmt.Errorf("there is no method %q", c.Method)
	}
}

// send sends all requests; what stops it is what receiving returns.
func (k *call) send(ctx context.Context, c command, send func([]byte) error) {
	err := payloads(c.Requests, func(p []byte) error {
		err := send(p)
		if err == nil {
			k.sent.Add(1)
		}
		return err
	})
	if c.Hold && err == nil {
		select {
		case <-k.finished:
		case <-ctx.Done():
		}
	}
}

func receiveAll[T interface{ GetPayload() []byte }](ctx context.Context, k *call, isPaused bool, receive func() (T, error)) error {
	if isPaused {
		select {
		case <-k.resumed:
		case <-ctx.Done():
		}
	}
	for {
		answer, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		k.take(answer.GetPayload())
	}
}
