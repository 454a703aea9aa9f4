//go:build !linux

package route

import (
	"context"
	"errors"
	"log/slog"
)

// StartHolder needs Linux.
func StartHolder(context.Context, *slog.Logger, Services) (stop func(), err error) {
	return nil, errors.ErrUnsupported
}
