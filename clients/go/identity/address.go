package identity

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	scheme       = "dswarm://"
	maxHostChars = 253
)

var (
	// An IPv6 address in brackets, or a host name of labels of 1 to 63 characters (RFC 1035, section 2.3.4), then the port.
	hostPortForm = regexp.MustCompile(
		`^(?:\[([0-9A-Fa-f:.]{2,45})\]|((?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)):([1-9][0-9]{0,4})$`)
	// A last label that is a number makes the whole an IPv4 address to resolvers, which then read "127.1" or "0x7f.1" too.
	endsInNumber = regexp.MustCompile(`(?i)(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$`)
)

// Address says who can be dialed where.
type Address struct {
	ID NodeID
	// Host is "HOST:PORT", IPv6 in brackets.
	Host string
}

// ParseAddress reads "dswarm://KEY@HOST:PORT", with the key in any of its text forms but without a second "@". Errors
// address_invalid, node_id_invalid.
func ParseAddress(text string) (Address, error) {
	rest, ok := strings.CutPrefix(text, scheme)
	at := strings.LastIndexByte(rest, '@')
	if !ok || at < 1 || strings.ContainsRune(rest[:at], '@') {
		return Address{}, status.Fail("address_invalid", "expected dswarm://KEY@HOST:PORT, with a port of 1 to 65535", nil)
	}
	if _, _, err := SplitHostPort(rest[at+1:]); err != nil {
		return Address{}, err
	}
	id, err := ParseNodeID(rest[:at])
	if err != nil {
		return Address{}, err
	}
	return Address{ID: id, Host: rest[at+1:]}, nil
}

// String is "dswarm://KEY@HOST:PORT" with the key in base64url.
func (a Address) String() string { return scheme + a.ID.Base64URL() + "@" + a.Host }

// SplitHostPort reads "HOST:PORT": an IPv4 address, an IPv6 address in brackets or a name, and a port of 1 to 65535 without leading
// zeros. The host is without brackets. Error address_invalid.
func SplitHostPort(text string) (host string, port uint16, err error) {
	invalid := status.Fail("address_invalid", "expected HOST:PORT, with a port of 1 to 65535", nil)
	parts := hostPortForm.FindStringSubmatch(text)
	if parts == nil {
		return "", 0, invalid
	}
	n, err := strconv.ParseUint(parts[3], 10, 16)
	if err != nil {
		return "", 0, invalid
	}
	if v6 := parts[1]; v6 != "" {
		if ip, err := netip.ParseAddr(v6); err != nil || !ip.Is6() {
			return "", 0, invalid
		}
		return v6, uint16(n), nil
	}
	name := parts[2]
	if len(name) > maxHostChars {
		return "", 0, invalid
	}
	if ip, err := netip.ParseAddr(name); endsInNumber.MatchString(name) && (err != nil || !ip.Is4()) {
		return "", 0, invalid
	}
	return name, uint16(n), nil
}

// JoinHostPort is "HOST:PORT", with brackets around an IPv6 address.
func JoinHostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
