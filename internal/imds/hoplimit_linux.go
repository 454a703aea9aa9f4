package imds

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// setHopLimit sets both limits, since an IPv6 socket may carry IPv4. An IPv4 socket refuses the limit of IPv6.
func setHopLimit(conn net.Conn, hops int) error {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("cannot set the hop limit: %T is not a socket", conn)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var ipv4, ipv6 error
	err = raw.Control(func(fd uintptr) {
		ipv4 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TTL, hops)
		ipv6 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS, hops)
	})
	if err == nil && ipv4 != nil && ipv6 != nil {
		err = errors.Join(ipv4, ipv6)
	}
	return err
}
