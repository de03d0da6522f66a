package identity

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

const (
	scheme          = "dswarm://"
	maxAddressBytes = 400
)

var errAddress = errors.New("address_invalid: not a valid dswarm:// address")

// Address says who can be dialed where.
type Address struct {
	ID   NodeID
	Host string // "HOST:PORT", IPv6 in brackets
}

// ParseAddress reads "dswarm://KEY@HOST:PORT", with the key in any of its text forms.
func ParseAddress(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 0 || len(text) > maxAddressBytes {
		return Address{}, errAddress
	}
	id, err := ParseNodeID(rest[:at])
	if err != nil {
		return Address{}, err
	}
	if err := CheckHostPort(rest[at+1:]); err != nil {
		return Address{}, err
	}
	return Address{ID: id, Host: rest[at+1:]}, nil
}

// CheckHostPort checks "HOST:PORT": a host without characters that mean something in a URL, a port of 1 to 65535.
func CheckHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || len(host) > 255 {
		return errAddress
	}
	for _, c := range []byte(host) {
		isPlain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(".-:_", c) >= 0
		if !isPlain {
			return errAddress
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return errAddress
	}
	return nil
}

// String is "dswarm://KEY@HOST:PORT" with the key in base64url.
func (a Address) String() string { return scheme + a.ID.Base64URL() + "@" + a.Host }
