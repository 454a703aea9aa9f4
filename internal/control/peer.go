package control

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
)

// noUID is the UID of a Peer that is not known by it.
const noUID = -1

type peerKey struct{}

// withPeer is an http.Server's ConnContext. peerOf needs it.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*peerConn); ok {
		return context.WithValue(ctx, peerKey{}, Peer{UID: p.uid})
	}
	return ctx
}

// peerOf is who sends a request.
func peerOf(r *http.Request) Peer {
	if p, ok := r.Context().Value(peerKey{}).(Peer); ok {
		return p
	}
	return Peer{UID: noUID}
}

// peers accepts connections of root and of the daemon's user only.
type peers struct {
	*net.UnixListener
	log *slog.Logger
}

// peerConn is a connection of a known user.
type peerConn struct {
	*net.UnixConn
	uid int
}

// Accept closes connections of other users without an answer.
func (p *peers) Accept() (net.Conn, error) {
	for {
		c, err := p.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, ok := peerUID(c)
		if ok && (uid == 0 || uid == os.Geteuid()) {
			return &peerConn{c, uid}, nil
		}
		p.log.Warn("refused at the control socket", "uid", uid)
		_ = c.Close()
	}
}
