package discovery

import (
	"net/netip"
	"time"
)

const (
	verificationsPerSecond = 200  // of sources that send little, and as many of the others
	verificationsAtOnce    = 2000 // likewise
	maxPortsCounted        = 4096
	portPerSecond          = 100
	portAtOnce             = 1000
)

// bucket is a token bucket.
type bucket struct {
	tokens float64
	at     time.Time
}

// fill adds what has come since.
func (b *bucket) fill(perSecond, burst float64, now time.Time) {
	if elapsed := now.Sub(b.at); elapsed > 0 {
		b.tokens = min(burst, b.tokens+elapsed.Seconds()*perSecond)
	}
	b.at = now
}

// verifications bounds the signatures that strangers make this process verify. A port that was quiet has a share of its own, so that a
// flood from other ports does not keep out a newcomer. Bounded by maxPortsCounted.
type verifications struct {
	quiet, busy bucket
	ports       map[netip.AddrPort]*bucket
}

func newVerifications() *verifications {
	full := bucket{tokens: verificationsAtOnce}
	return &verifications{quiet: full, busy: full, ports: map[netip.AddrPort]*bucket{}}
}

// take says whether one more signature may be verified.
func (v *verifications) take(source netip.AddrPort, now time.Time) bool {
	port := v.ports[source]
	if port == nil {
		// What is forgotten begins anew with a full bucket, which the shares of all bound.
		for other := range v.ports {
			if len(v.ports) < maxPortsCounted {
				break
			}
			delete(v.ports, other)
		}
		port = &bucket{tokens: portAtOnce, at: now}
		v.ports[source] = port
	}
	port.fill(portPerSecond, portAtOnce, now)
	if port.tokens < 1 {
		return false
	}
	share := &v.busy
	if port.tokens > portAtOnce-1 {
		share = &v.quiet
	}
	share.fill(verificationsPerSecond, verificationsAtOnce, now)
	if share.tokens < 1 {
		return false
	}
	share.tokens--
	port.tokens--
	return true
}
