package rpc_test

import (
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

func TestAFrozenPeerIsFoundAfterIntervalAndTimeoutWheneverItWasHeardLast(t *testing.T) {
	const interval, timeout = 15 * time.Second, 10 * time.Second
	for heardAt := time.Duration(0); heardAt < interval+timeout; heardAt += 1370 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := connect(t, true, rpc.Options{})
			go func() {
				for range peer.frames { // it reads, and says nothing
				}
			}()
			time.Sleep(heardAt)
			peer.send(t, &pb.Frame{Body: &pb.Frame_Credit{Credit: &pb.Credit{Bytes: 64}}})
			synctest.Wait()
			time.Sleep(interval + timeout - time.Millisecond)
			synctest.Wait()
			if err := conn.Err(); err != nil {
				t.Fatal("too early, when heard after", heardAt, err)
			}
			time.Sleep(2 * time.Millisecond)
			synctest.Wait()
			if err := conn.Err(); status.ReasonOf(err) != "keepalive_timeout" {
				t.Fatal("when heard after", heardAt, err)
			}
		})
	}
}
