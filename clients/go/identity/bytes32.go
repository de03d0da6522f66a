package identity

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// parse32Bytes reads 64 hex digits, or 43 characters of base64 or base64url with or without "=", with no spare bit set.
func parse32Bytes(text string) (b [32]byte, ok bool) {
	if len(text) == 64 {
		n, err := hex.Decode(b[:], []byte(text))
		return b, err == nil && n == len(b)
	}
	if len(text) == 44 {
		text = strings.TrimSuffix(text, "=")
	}
	if len(text) != 43 || strings.ContainsAny(text, "\r\n") { // which the decoder would leave out
		return b, false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	n, err := encoding.Strict().Decode(b[:], []byte(text))
	return b, err == nil && n == len(b)
}
