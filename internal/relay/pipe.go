package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// Pipe joins in and out with the Unix socket of a Hub, for `kubectl exec -i`. It ends when either end does, or when ctx is done. A read
// of in and a write of out that are under way then are left behind, and end with the process.
func Pipe(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("relay: the daemon in this pod does not listen: %w; see its log", err)
	}
	defer func() { _ = conn.Close() }()
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(conn, in)
		ended <- err
	}()
	go func() {
		_, err := io.Copy(out, conn)
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("relay: %w", err)
	}
	return nil
}
