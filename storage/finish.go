package storage

import "context"

// finishing is the key of the context that was made into one by [Finish].
type finishing struct{}

// Finish returns a context for what is to be written even if ctx is done: what became of a trial,
// when a run is cancelled. It is never done itself, but a store on a server does not wait for one
// that is away once ctx is done.
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
