package imds

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// setHopLimit sets both limits, since a socket of IPv6 may carry IPv4 as well; one that only does IPv4 refuses the other.
func setHopLimit(conn net.Conn, hops int) error {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("no socket in a %T", conn)
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
