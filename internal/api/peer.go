package api

import "cmp"

// Peer is who asks for a change by the control socket.
type Peer struct {
	// UID is the user at the other end of the socket; -1 by TCP.
	UID int
	// Entrance is the one by TCP, for the log; "" is control_listen.
	Entrance string
}

// Attrs are the attributes of a log line about the change.
func (p Peer) Attrs() []any {
	if p.UID < 0 {
		return []any{"by", cmp.Or(p.Entrance, "control_listen")}
	}
	return []any{"uid", p.UID}
}
