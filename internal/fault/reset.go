package fault

import (
	"net"
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// abort closes the connection without a further byte. It does not return.
func (a *Act) abort() { panic(http.ErrAbortHandler) }

// reset closes the connection so that the client sees a reset, not its end. It does not return.
func (a *Act) reset() {
	if conn := lingerer(web.Conn(a.r)); conn != nil {
		_ = conn.SetLinger(0) // what is closed with unsent data, or with this, sends RST
	}
	a.abort()
}

// lingering is the part of *net.TCPConn that makes Close a reset.
type lingering interface{ SetLinger(seconds int) error }

// lingerer finds the socket in the connections that listeners wrap around it; nil if there is none.
func lingerer(c net.Conn) lingering {
	for c != nil {
		if found, ok := c.(lingering); ok {
			return found
		}
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = wrapped.NetConn()
	}
	return nil
}
