// Package status has the error of calls: a gRPC status code, a message, details, and the name of dswarm's own errors.
package status

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"
)

// Code is a gRPC status code, 0 to 16.
type Code uint32

// The codes.
const (
	OK Code = iota
	Canceled
	Unknown
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	OutOfRange
	Unimplemented
	Internal
	Unavailable
	DataLoss
	Unauthenticated
)

var names = [...]string{
	"ok", "canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists", "permission_denied",
	"resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented", "internal", "unavailable",
	"data_loss", "unauthenticated",
}

// String is the code's name in lower case.
func (c Code) String() string {
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code_%d", uint32(c))
}

// Error is how a call failed.
type Error struct {
	Code    Code
	Message string
	Details []*anypb.Any
	// Reason is the error's name in docs/errors.md, when it was found at this end: "link_closed". Empty otherwise.
	Reason string
	cause  error
	// isUnhandled says that no handler can have seen the call.
	isUnhandled bool
}

// Error is "code: message".
func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap is what lay beneath, or nil.
func (e *Error) Unwrap() error { return e.cause }

// AsUnhandled returns a copy of the error of a call that no handler can have seen, so that it may be repeated.
func (e *Error) AsUnhandled() *Error {
	copied := *e
	copied.isUnhandled = true
	return &copied
}

// IsUnhandled says whether an error is of a call that no handler can have seen, so that it may be repeated on another connection
// whatever its method does.
func IsUnhandled(err error) bool {
	var known *Error
	return errors.As(err, &known) && known.isUnhandled
}

// WithDetails returns a copy with details added. Handlers return it.
func (e *Error) WithDetails(details ...*anypb.Any) *Error {
	copied := *e
	copied.Details = append(append([]*anypb.Any(nil), e.Details...), details...)
	return &copied
}

// Errorf makes an error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FromError returns err as an *Error: itself, canceled or deadline_exceeded for those of contexts, else unknown. Nil for nil.
func FromError(err error) *Error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: DeadlineExceeded, Message: "the deadline has passed", cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: Canceled, Message: "the call is canceled", cause: err}
	default:
		return &Error{Code: Unknown, Message: err.Error(), cause: err}
	}
}

// CodeOf is the code of an error, OK of nil.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	return FromError(err).Code
}
