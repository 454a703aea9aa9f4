package imds

import (
	"errors"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/web"
)

const (
	// NoHopLimit is the hop limit that Linux uses by default, so it is no limit.
	NoHopLimit = 64
	// silence is how long a client waits at most for an answer that must not reach it. Clients give up within seconds.
	silence = 10 * time.Second
)

// limitHops sets the IP TTL or IPv6 hop limit of all later packets of the request's connection.
func limitHops(r *http.Request, hops int) error {
	conn := web.Conn(r)
	if conn == nil {
		return errors.New("cannot set the hop limit: no connection")
	}
	return setHopLimit(conn, hops)
}

// withhold leaves a request unanswered until its client gives up, as on EC2, where the answer is dropped on the way. Between this
// machine and its guests no packet is dropped: a bridge does not count as a hop, and a TTL of 0 does not exist.
func (s *service) withhold(t *Target, r *http.Request) {
	if s.withheld.Swap(t) != t {
		s.log.Warn("session token withheld from a guest", "client", r.RemoteAddr,
			"hint", "as on EC2, containers and virtual machines are one hop away; set ec2.metadata_options.http_put_response_hop_limit to 2 for them")
	}
	timeout := time.NewTimer(silence)
	defer timeout.Stop()
	select {
	case <-r.Context().Done():
	case <-web.Stopping(r):
	case <-timeout.C:
	}
	panic(http.ErrAbortHandler) // closes the connection without an answer
}
