//go:build !linux

package main

import (
	"context"
	"errors"
	"log/slog"
)

// startHolder is not called: --link-local has been refused.
func startHolder(context.Context, *slog.Logger) (stop func(), err error) {
	return nil, errors.ErrUnsupported
}
