package podproc

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"net/netip"
)

// hasAddress says whether the file, net/fib_trie for IPv4 and net/if_inet6 for IPv6, lists the address as one of its namespace.
func hasAddress(file io.Reader, a netip.Addr) (bool, error) {
	if a.Is4() {
		return inFibTrie(file, a)
	}
	return inIfInet6(file, a)
}

// inFibTrie looks for the leaf of the address, and for a local route to it alone among the leaf's lines:
//
//	|-- 10.244.0.2
//	   /32 host LOCAL
//
// A local route to a whole network, which a namespace may have for addresses that are not its own, does not count.
func inFibTrie(file io.Reader, a netip.Addr) (bool, error) {
	leaf := a.AppendTo([]byte("|-- "))
	within := false
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		switch {
		case bytes.HasPrefix(line, []byte("/")):
			if within && isHostLocal(line) {
				return true, nil
			}
		default:
			within = bytes.Equal(line, leaf)
		}
	}
	return false, lines.Err()
}

// isHostLocal parses a line "/32 host LOCAL", behind which a type of service may be.
func isHostLocal(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("/32 host LOCAL"))
	return ok && (len(rest) == 0 || rest[0] == ' ')
}

// inIfInet6 looks for the address in lines "ADDRESS INDEX PREFIX SCOPE FLAGS NAME", with an address of 32 hexadecimal digits.
func inIfInet6(file io.Reader, a netip.Addr) (bool, error) {
	raw := a.As16()
	want := hex.AppendEncode(nil, raw[:])
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		address, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		if bytes.EqualFold(address, want) {
			return true, nil
		}
	}
	return false, lines.Err()
}
