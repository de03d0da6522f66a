package rpc

import "context"

// ClientInterceptor runs around a call of this end: it calls next once, or returns an error. For a stream, next opens it. What it adds
// to the context, such as metadata, is the call's.
type ClientInterceptor func(ctx context.Context, method string, next func(context.Context) error) error

// ServerInterceptor runs around a handler: it calls next once, or returns an error, which ends the call. ctx is the handler's.
type ServerInterceptor func(ctx context.Context, method string, next func(context.Context) error) error

// intercept runs interceptors around a call, the first outermost.
func intercept[I ~func(context.Context, string, func(context.Context) error) error](
	ctx context.Context, interceptors []I, method string, call func(context.Context) error,
) error {
	if len(interceptors) == 0 {
		return call(ctx)
	}
	return interceptors[0](ctx, method, func(ctx context.Context) error {
		return intercept(ctx, interceptors[1:], method, call)
	})
}
