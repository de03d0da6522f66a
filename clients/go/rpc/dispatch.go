package rpc

import (
	"time"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/status"
)

// handle acts on a frame of the peer. An error ends the connection. With the lock.
func (c *Conn) handle(f *pb.Frame) error {
	id := f.GetStreamId()
	if f.GetBody() == nil {
		c.faults.count()
		return nil // of a later version
	}
	if id == 0 {
		return c.handleConnection(f)
	}
	if open, ok := f.GetBody().(*pb.Frame_Open); ok {
		return c.handleOpen(id, open.Open)
	}
	st, err := c.streamOf(id)
	if err != nil {
		return err
	}
	isOurs := c.isOurs(id)
	switch body := f.GetBody().(type) {
	case *pb.Frame_Data:
		return c.handleData(st, body.Data)
	case *pb.Frame_Credit:
		return c.handleStreamCredit(st, body.Credit.GetBytes())
	case *pb.Frame_HalfClose, *pb.Frame_Cancel:
		if isOurs {
			return c.fault("frame_invalid", "a caller's frame on a stream of the other end")
		}
		if st == nil {
			return nil
		}
		if cancel, ok := body.(*pb.Frame_Cancel); ok {
			c.remove(st, errorOfCancel(cancel.Cancel))
		} else {
			st.handleHalfClose()
		}
	case *pb.Frame_Header:
		if !isOurs {
			return c.fault("frame_invalid", "a callee's frame on a stream of the other end")
		}
		if st != nil {
			st.handleHeader(body.Header.GetMetadata())
		}
	case *pb.Frame_End:
		if !isOurs {
			return c.fault("frame_invalid", "a callee's frame on a stream of the other end")
		}
		if st != nil {
			st.handleEnd(body.End)
		}
	default:
		return c.fault("frame_invalid", "a frame of the connection on a stream")
	}
	return nil
}

func (c *Conn) isOurs(id uint32) bool { return (id%2 == 1) == c.link.IsDialer() }

// streamOf returns the stream, or nil when it is closed.
func (c *Conn) streamOf(id uint32) (*stream, error) {
	if st := c.streams[id]; st != nil {
		return st, nil
	}
	if c.isOurs(id) && id >= c.nextID || !c.isOurs(id) && id > c.lastRemoteID && !c.refusing {
		return nil, c.fault("frame_invalid", "a frame on a stream that was never opened")
	}
	return nil, nil
}

func (c *Conn) handleConnection(f *pb.Frame) error {
	if body, ok := f.GetBody().(*pb.Frame_Credit); !ok || body.Credit.GetBytes() < dataCost {
		c.faults.count()
	}
	switch body := f.GetBody().(type) {
	case *pb.Frame_Ping:
		c.send(&pb.Frame{Body: &pb.Frame_Pong{Pong: &pb.Pong{Id: body.Ping.GetId()}}})
	case *pb.Frame_Pong:
		if c.drainPing != 0 && body.Pong.GetId() == c.drainPing {
			c.refuse()
		}
		if pong := c.pongs[body.Pong.GetId()]; pong != nil {
			delete(c.pongs, body.Pong.GetId())
			close(pong)
		}
	case *pb.Frame_Credit:
		n := int(body.Credit.GetBytes())
		if n == 0 || c.credit > maxCredit-n {
			return c.fault("frame_invalid", "credit of nothing, or of too much")
		}
		c.credit += n
		c.stalled, c.stalledSince = false, time.Time{}
		if len(c.ring) > 0 {
			c.signal()
		}
	case *pb.Frame_GoAway:
		c.handleGoAway(body.GoAway)
	default:
		return c.fault("frame_invalid", "a frame of a stream on the connection")
	}
	return nil
}

func (c *Conn) handleGoAway(away *pb.GoAway) {
	c.draining = true
	if away.GetCode() != 0 {
		for _, st := range c.streams {
			if st.isCaller && st.goAway == nil {
				st.goAway = status.Errorf(status.Unavailable, "the peer goes away: %s: %.200q",
					status.Code(away.GetCode()), away.GetMessage())
			}
		}
	}
	for id, st := range c.streams {
		if st.isCaller && id > away.GetLastStreamId() {
			c.remove(st, status.Fail("link_closed", "the peer goes away and has not handled the call", nil).AsUnhandled())
		}
	}
}

func (c *Conn) handleStreamCredit(st *stream, bytes uint32) error {
	if st == nil {
		return nil
	}
	if bytes == 0 {
		return c.fault("frame_invalid", "credit of nothing")
	}
	if st.credit > maxCredit-int(bytes) {
		return c.fault("frame_invalid", "credit of too much")
	}
	if bytes < dataCost {
		c.faults.count()
	}
	st.credit += int(bytes)
	if st.hasPending && !st.isQueued {
		st.isQueued = true
		c.ring = append(c.ring, st)
		c.signal()
	}
	return nil
}

func (c *Conn) handleData(st *stream, data *pb.Data) error {
	cost := len(data.GetPayload()) + dataCost
	if cost > c.window || st != nil && cost > st.window {
		return c.fault("credit_exceeded", "")
	}
	if st != nil && len(data.GetPayload()) > maxPieceBytes {
		return c.fault("frame_invalid", "a piece over its size limit: "+status.OverLimit(len(data.GetPayload()), maxPieceBytes))
	}
	c.window -= cost
	c.owed += cost
	c.grant()
	if st != nil {
		st.window -= cost
		st.handleData(data, cost)
	}
	return nil
}

// grant gives the connection's credit back, whether or not anybody reads. With the lock.
func (c *Conn) grant() {
	if c.owed < grantConnection {
		return
	}
	c.window += c.owed
	c.send(&pb.Frame{Body: &pb.Frame_Credit{Credit: &pb.Credit{Bytes: uint32(c.owed)}}})
	c.owed = 0
}

// pump moves pieces of messages to the outbox, one stream after the other. With the lock.
func (c *Conn) pump() {
	c.stalled = false
	for len(c.ring) > 0 && len(c.out) < outboxSoftBytes {
		st := c.ring[0]
		if !st.hasPending {
			c.unring(st)
			continue
		}
		least := min(len(st.pending), minPieceBytes) + dataCost
		if st.credit < least {
			c.unring(st) // credit brings it back
			continue
		}
		if c.credit < least {
			c.stalled = true
			if c.stalledSince.IsZero() {
				c.stalledSince = time.Now()
			}
			return
		}
		n := min(len(st.pending), sendPieceBytes, st.credit-dataCost, c.credit-dataCost)
		piece := st.pending[:n]
		st.pending = st.pending[n:]
		st.holdPending(-n)
		st.credit -= n + dataCost
		c.credit -= n + dataCost
		c.send(&pb.Frame{StreamId: st.id, Body: &pb.Frame_Data{Data: &pb.Data{Payload: piece, More: len(st.pending) > 0}}})
		c.unring(st)
		if len(st.pending) > 0 {
			st.isQueued = true
			c.ring = append(c.ring, st)
		} else {
			st.hasPending = false
			st.wakeSender()
		}
	}
}

func (c *Conn) unring(st *stream) {
	st.isQueued = false
	c.ring = c.ring[1:]
}

// remove forgets a stream, which ends with an error, or nil for success. With the lock.
func (c *Conn) remove(st *stream, err error) {
	delete(c.streams, st.id)
	st.finish(err)
}

// errorOfCancel is how a call ends that its caller has given up.
func errorOfCancel(cancel *pb.Cancel) *status.Error {
	if status.Code(cancel.GetCode()) == status.DeadlineExceeded {
		return status.Errorf(status.DeadlineExceeded, "the caller's deadline has passed")
	}
	return status.Errorf(status.Canceled, "the caller has canceled")
}
