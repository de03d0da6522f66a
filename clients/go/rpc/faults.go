package rpc

import (
	"time"

	"github.com/dswarm/dswarm/clients/go/status"
)

// faultBudget counts the faults of a peer: so many at once, and some are forgiven each second.
type faultBudget struct {
	max, perSecond int
	left           float64
	at             time.Time
	isSpent        bool
}

func newFaultBudget(opts Options) faultBudget {
	return faultBudget{max: opts.MaxFaults, perSecond: opts.FaultsPerSecond, left: float64(opts.MaxFaults), at: time.Now()}
}

// count counts a fault. The connection is to end when the budget is spent.
func (b *faultBudget) count() {
	if b.left < 1 {
		now := time.Now()
		b.left = min(float64(b.max), b.left+now.Sub(b.at).Seconds()*float64(b.perSecond))
		b.at = now
	}
	if b.left < 1 {
		b.isSpent = true
		return
	}
	b.left--
}

// endForFaults ends the connection when the peer has committed too many faults. With the lock.
func (c *Conn) endForFaults() error {
	if !c.faults.isSpent {
		return nil
	}
	err := status.Fail("too_many_faults", "", nil)
	c.breakOff(status.ResourceExhausted, err)
	return err
}
