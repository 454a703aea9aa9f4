package credentials

import (
	"context"
	"sync/atomic"
)

// Encoded keeps one encoding of a keeper's credentials, such as a response body, and renews it when they are refreshed.
type Encoded[T any] struct {
	keeper *Keeper
	encode func(*Credentials) *T
	last   atomic.Pointer[encoding[T]]
}

type encoding[T any] struct {
	from *Credentials
	to   *T
}

// NewEncoded makes an Encoded of k's credentials. encode must be a pure function that returns no nil.
func NewEncoded[T any](k *Keeper, encode func(*Credentials) *T) *Encoded[T] {
	return &Encoded[T]{keeper: k, encode: encode}
}

// Get gives the encoding of what Keeper.Get gives, and fails as that does. It takes no lock of its own: callers that
// find new credentials at the same moment may each encode them.
func (e *Encoded[T]) Get(ctx context.Context) (*T, error) {
	c, err := e.keeper.Get(ctx)
	if err != nil {
		return nil, err
	}
	if last := e.last.Load(); last != nil && last.from == c {
		return last.to, nil
	}
	to := e.encode(c)
	e.last.Store(&encoding[T]{c, to})
	return to, nil
}
