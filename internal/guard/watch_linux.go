package guard

import (
	"context"
	"errors"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watch refreshes the snapshot when the kernel reports a change of links, addresses or routes, until ctx is done. If it
// cannot subscribe to these events, the snapshot is stale once per second.
func (n *Networks) watch(ctx context.Context) (stale func() bool) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE)
	if err == nil {
		// Receive must return for ctx to be checked.
		err = socket.SetReceiveTimeout(&unix.Timeval{Sec: 1})
	}
	if err != nil {
		n.log.Warn("cannot watch network interfaces, polling instead", "error", err)
		return every(time.Second)
	}
	go func() {
		defer socket.Close()
		for ctx.Err() == nil {
			_, _, err := socket.Receive()
			switch {
			case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			case err == nil, errors.Is(err, unix.ENOBUFS): // an event, or a full buffer
				n.refresh()
			default:
				n.log.Warn("cannot read network interface events", "error", err)
				n.refresh()
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}
	}()
	return func() bool { return false }
}
