package guard

import (
	"context"
	"errors"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watch takes a new view whenever the kernel tells of a link, an address or a route that has come or gone, until ctx is done. If the
// kernel does not tell, each look is at a fresh view.
func (n *Networks) watch(ctx context.Context) (stale func() bool) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err == nil {
		// So that the end of ctx is seen.
		err = socket.SetReceiveTimeout(&unix.Timeval{Sec: 1})
	}
	if err != nil {
		n.log.Warn("the kernel does not tell of changes of the network interfaces; looking at them often instead", "error", err)
		return every(time.Second)
	}
	go func() {
		defer socket.Close()
		for ctx.Err() == nil {
			_, _, err := socket.Receive()
			switch {
			case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			case err == nil, errors.Is(err, unix.ENOBUFS): // an event, or more of them than there was room for
				n.look()
			default:
				n.log.Warn("cannot hear what the kernel tells of the network interfaces", "error", err)
				n.look()
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}
	}()
	return func() bool { return false }
}
