package identity

import (
	"bytes"
	"math/bits"
)

// Distance is the XOR of two ids or keys, most significant byte first.
func Distance(a, b [32]byte) [32]byte {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// CompareDistance is negative when a is nearer to the target than b, positive when it is farther, 0 when they are equal.
func CompareDistance(target, a, b [32]byte) int {
	toA, toB := Distance(target, a), Distance(target, b)
	return bytes.Compare(toA[:], toB[:])
}

// SharedBits are the leading bits that two ids share, 0 to 256.
func SharedBits(a, b [32]byte) int {
	shared := 0
	for _, d := range Distance(a, b) {
		if d != 0 {
			return shared + bits.LeadingZeros8(d)
		}
		shared += 8
	}
	return shared
}
