package status

import "fmt"

// reason is a row of docs/errors.md.
type reason struct {
	code Code
	text string
}

// reasons are the errors of docs/errors.md that a client can find out itself.
var reasons = map[string]reason{
	"node_id_invalid":       {InvalidArgument, "not a valid node id"},
	"address_invalid":       {InvalidArgument, "not a valid dswarm:// address"},
	"key_file_invalid":      {FailedPrecondition, "the key file is not usable"},
	"interface_unknown":     {InvalidArgument, "no such network interface"},
	"discovery_failed":      {FailedPrecondition, "multicast discovery cannot start"},
	"record_key_invalid":    {InvalidArgument, "not a valid record key"},
	"record_invalid":        {InvalidArgument, "a record that breaks the protocol"},
	"record_too_large":      {InvalidArgument, "a value over the size limit"},
	"record_forged":         {PermissionDenied, "a record whose signature is not of its signer"},
	"record_conflict":       {Aborted, "the sequence held is not the expected one"},
	"record_not_found":      {NotFound, "no record is found under the key"},
	"quota_exceeded":        {ResourceExhausted, "no room for more records"},
	"store_refused":         {Unavailable, "no peer has kept the record"},
	"unreachable":           {Unavailable, "nothing answers at the address"},
	"dial_limited":          {Unavailable, "strangers' claims have used up the dials for now"},
	"not_dswarm":            {Unavailable, "what answers at the address is not dswarm"},
	"self_connection":       {InvalidArgument, "a node does not connect to itself"},
	"handshake_timeout":     {Unavailable, "the handshake took too long"},
	"handshake_truncated":   {Unavailable, "the connection ended within the handshake"},
	"hello_invalid":         {Unauthenticated, "the hello is not of this network or not a hello"},
	"hello_low_order":       {Unauthenticated, "the hello carries an ephemeral key of low order"},
	"authentication_failed": {Unauthenticated, "the peer does not hold the expected key, or refuses ours"},
	"peer_not_allowed":      {PermissionDenied, "the peer is not allowed"},
	"websocket_invalid":     {Unavailable, "the websocket broke its rules"},
	"websocket_text":        {Unavailable, "a text message on a binary websocket"},
	"websocket_too_large":   {Unavailable, "a websocket message over the size limit"},
	"box_invalid":           {Unavailable, "a box that does not open"},
	"box_too_large":         {Unavailable, "a box over 4096 bytes"},
	"box_after_goodbye":     {Unavailable, "data after the goodbye"},
	"link_truncated":        {Unavailable, "the connection ended without a goodbye"},
	"link_closed":           {Unavailable, "the connection is closed"},
	"frame_invalid":         {Internal, "a frame that breaks the protocol"},
	"frame_too_large":       {Internal, "a frame over the size limit"},
	"credit_exceeded":       {Internal, "more bytes than there was credit for"},
	"message_invalid":       {InvalidArgument, "a message that does not decode"},
	"message_too_large":     {ResourceExhausted, "a message over the size limit"},
	"metadata_too_large":    {ResourceExhausted, "metadata over the size limit"},
	"metadata_invalid":      {InvalidArgument, "metadata that is not allowed"},
	"too_many_streams":      {ResourceExhausted, "too many calls at once on the connection"},
	"too_many_faults":       {ResourceExhausted, "too many faults of the peer on the connection"},
	"memory_exhausted":      {ResourceExhausted, "too many bytes are held for the peer"},
	"request_timeout":       {DeadlineExceeded, "the rest of a request does not come"},
	"peer_too_slow":         {Unavailable, "the peer does not read what it is sent"},
	"keepalive_timeout":     {Unavailable, "the peer does not answer any more"},
}

// Fail makes an error of dswarm's own: its name in docs/errors.md, which gives code and text; what is to be said of this one, or
// ""; and what lies beneath it, or nil. It panics on a name that is not there.
func Fail(name, detail string, cause error) *Error {
	row, ok := reasons[name]
	if !ok {
		panic("status: docs/errors.md has no " + name)
	}
	text := row.text
	if detail != "" {
		text += ": " + detail
	}
	return &Error{Code: row.code, Reason: name, Message: text, cause: cause}
}

// OverLimit is the detail of an error that something has more bytes than it may have: both numbers.
func OverLimit(size, limit int) string { return fmt.Sprintf("%d bytes, the limit is %d", size, limit) }

// TooLarge is the named error that something has more bytes than it may have. It says both.
func TooLarge(name string, size, limit int) *Error { return Fail(name, OverLimit(size, limit), nil) }

// TooLargeSoFar is TooLarge of something of which more may be to come.
func TooLargeSoFar(name string, size, limit int) *Error {
	return Fail(name, "at least "+OverLimit(size, limit), nil)
}

// WithCause returns a copy of the error beneath which another one lies: errors.Is finds both.
func (e *Error) WithCause(cause error) *Error {
	copied := *e
	copied.cause = cause
	return &copied
}

// ReasonOf is the name of an error in docs/errors.md, or "".
func ReasonOf(err error) string {
	if err == nil {
		return ""
	}
	return FromError(err).Reason
}
