package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is that of an abstract socket: it belongs to the network namespace, as the interface does, needs no file, and goes
// with its process, whatever ends that.
const lockName = "@mock-ec2-metadata/route"

// Lock waits until nobody else changes the route, or ctx is done. Whoever holds the lock may take the interface away until it
// is closed.
func Lock(ctx context.Context) (io.Closer, error) { return lock(ctx, lockName) }

func lock(ctx context.Context, name string) (io.Closer, error) {
	holder := "another process"
	for {
		l, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "unix", name)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("cannot lock the route: %w", err)
		}
		holder = watch(ctx, name, holder)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s holds %s, as a daemon with --link-local does; stop that first", holder, IPv4())
		case <-time.After(10 * time.Millisecond): // so that one that is just coming or going is not asked without end
		}
	}
}

// watch waits until the socket's process closes it, or ctx is done, and says who that is.
func watch(ctx context.Context, name, known string) string {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
	if err != nil {
		return known
	}
	defer func() { _ = conn.Close() }()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()
	known = "a process of another container"
	if pid := peer(conn); pid > 0 {
		known = fmt.Sprintf("process %d", pid)
	}
	_, _ = conn.Read(make([]byte, 1)) // nothing is ever sent
	return known
}

// peer is the process that listens at the other end; 0 if it has no number here.
func peer(conn net.Conn) (pid int32) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = cred.Pid
		}
	})
	return pid
}
