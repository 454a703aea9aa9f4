package server

import (
	"bytes"
	"net"
)

// oneRequest is added to a request in HTTP/1.1 without the header Host, which net/http would refuse before any handler. AWS CRT
// sent none before aws-c-auth 0.6.29 (2023), and the real service answers. The connection ends with the answer: the client
// would send its next request without Host, too.
//
// This cannot change where a request ends, so nothing can be smuggled past the guard: only a connection's first request is
// looked at, whose header starts with the first byte. The lines come after its first line feed and are neither
// Content-Length nor Transfer-Encoding. Whatever follows the request on this connection is never read as a request.
const oneRequest = "Host:\r\nConnection: close\r\n"

// readFirst is the first Read of a connection. It adds oneRequest if the request lacks the header Host.
func readFirst(c net.Conn, p []byte) (int, error) {
	n, err := c.Read(p)
	for {
		switch headerOf(p[:n]) {
		case incomplete:
			if err == nil && n < len(p) {
				var more int
				more, err = c.Read(p[n:])
				n += more
				continue
			}
		case withoutHost:
			if n+len(oneRequest) <= len(p) {
				line := bytes.IndexByte(p[:n], '\n') + 1
				copy(p[line+len(oneRequest):], p[line:n])
				copy(p[line:], oneRequest)
				n += len(oneRequest)
			}
		case asItIs:
		}
		return n, err
	}
}

// header says what is known of a request from its first bytes.
type header int

const (
	asItIs      header = iota // it has a Host, or is for net/http to judge
	withoutHost               // a complete header of HTTP/1.1 without Host
	incomplete                // so far a header of HTTP/1.1 without Host
)

// headerOf reads lines as net/http does: they end in LF or CR LF. In doubt the request stays as it is.
func headerOf(b []byte) header {
	line, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return incomplete // net/http waits for the line's end, too
	}
	if !bytes.HasSuffix(bytes.TrimSuffix(line, []byte{'\r'}), []byte(" HTTP/1.1")) {
		return asItIs
	}
	for {
		if line, rest, ok = bytes.Cut(rest, []byte{'\n'}); !ok {
			return incomplete
		}
		if line = bytes.TrimSuffix(line, []byte{'\r'}); len(line) == 0 {
			return withoutHost
		}
		name, _, isField := bytes.Cut(line, []byte{':'})
		if folded := line[0] == ' ' || line[0] == '\t'; folded || !isField || bytes.EqualFold(bytes.TrimSpace(name), []byte("Host")) {
			return asItIs
		}
	}
}
