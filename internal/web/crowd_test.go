package web

import (
	"net"
	"net/http"
	"testing"
)

func TestCrowd_ClosesTheOneThatHasBeenQuietLongest(t *testing.T) {
	c := NewCrowd(2)
	var conns [4]net.Conn
	for i := range conns {
		conns[i], _ = net.Pipe()
	}
	for _, step := range []struct {
		conn  int
		state http.ConnState
		quiet int // the connection that is closed; -1 for none
	}{
		{0, http.StateNew, -1},
		{1, http.StateNew, -1},
		{0, http.StateActive, -1},
		{2, http.StateNew, 1},
		{1, http.StateActive, -1}, // is closed already
		{1, http.StateClosed, -1},
		{2, http.StateIdle, -1},
		{0, http.StateClosed, -1},
		{3, http.StateNew, -1},
		{0, http.StateNew, 2},
	} {
		quiet := c.note(conns[step.conn], step.state)
		if step.quiet < 0 && quiet != nil || step.quiet >= 0 && quiet != conns[step.quiet] {
			t.Errorf("%+v: closes %v", step, quiet)
		}
	}
	if len(c.open) != 2 {
		t.Errorf("%d are open", len(c.open))
	}
}
