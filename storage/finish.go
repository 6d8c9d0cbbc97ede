package storage

import "context"

// finishing is the key of the context that was made into one by [Finish].
type finishing struct{}

// Finish returns a context for writes that must happen even if ctx is done, such as the results of
// running trials when a run is cancelled. The context itself is never done. But once ctx is done, a
// store does not wait for a server that is away.
func Finish(ctx context.Context) context.Context {
	of := ctx
	if ctx.Done() == nil { // it may be the result of Finish
		of = Finishing(ctx)
	}
	return context.WithValue(context.WithoutCancel(ctx), finishing{}, of)
}

// Finishing returns a context that is done when a store must wait no longer for a server that is
// away: the argument of [Finish] or, if ctx has none, ctx.
func Finishing(ctx context.Context) context.Context {
	if of, ok := ctx.Value(finishing{}).(context.Context); ok {
		return of
	}
	return ctx
}
