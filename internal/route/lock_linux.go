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

// lockName names an abstract socket. Like the interface it belongs to the network namespace. It needs no file, and the kernel
// removes it when its process ends.
const lockName = "@mock-ec2-metadata/route"

// Lock waits for the right to add and remove the interface, until ctx is done. Close releases it. The lock keeps a daemon's
// holder from removing an interface that another process has just added.
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
		holder = waitForRelease(ctx, name, holder)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s holds %s, as a daemon with --link-local does; stop that first", holder, IPv4())
		case <-time.After(10 * time.Millisecond): // the socket may not accept yet, or be closing
		}
	}
}

// Holder describes the process that holds the lock for as long as it runs, as the holder of a daemon with --link-local does. It
// returns "" if none does.
func Holder(ctx context.Context) string { return holder(ctx, lockName) }

func holder(ctx context.Context, name string) string {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	return describe(conn)
}

// describe names the process at the other end.
func describe(conn net.Conn) string {
	if pid := peer(conn); pid > 0 {
		return fmt.Sprintf("process %d", pid)
	}
	return "a process of another container"
}

// waitForRelease waits until the holder closes the socket, or ctx is done, and describes the holder. It returns known if it
// cannot connect.
func waitForRelease(ctx context.Context, name, known string) string {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", name)
	if err != nil {
		return known
	}
	defer func() { _ = conn.Close() }()
	unblock := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unblock()
	known = describe(conn)
	_, _ = conn.Read(make([]byte, 1)) // blocks until the holder closes the socket
	return known
}

// peer returns the process id of the listener, or 0 if it has none in this namespace.
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
