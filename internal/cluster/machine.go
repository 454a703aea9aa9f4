package cluster

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// socketWait bounds the question whether something listens at a socket.
const socketWait = 2 * time.Second

// Machine is what this machine knows of itself, to tell whether a node is this machine.
type Machine struct {
	// Addresses are those of its interfaces, without loopback.
	Addresses []netip.Addr
	// Getenv reads a variable of the environment.
	Getenv func(string) string
	// Answers reports whether something accepts connections at a Unix socket.
	Answers func(path string) bool
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() (Machine, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return Machine{}, err
	}
	m := Machine{Getenv: os.Getenv, Answers: func(path string) bool {
		conn, err := net.DialTimeout("unix", path, socketWait) //nolint:noctx // bounded by socketWait
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}}
	for _, a := range list {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			m.Addresses = append(m.Addresses, prefix.Addr())
		}
	}
	return m, nil
}

// isNode reports whether a node is this machine.
func (m Machine) isNode(n *node) bool {
	for _, a := range n.Status.Addresses {
		addr, err := netip.ParseAddr(a.Address)
		if err == nil && a.Type == "InternalIP" && slices.Contains(m.Addresses, addr) {
			return true
		}
	}
	return false
}
