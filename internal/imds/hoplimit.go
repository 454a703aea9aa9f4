package imds

import (
	"errors"
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// NoHopLimit is the hop limit that Linux uses by default, so it is no limit.
const NoHopLimit = 64

// limitHops sets the IP TTL or IPv6 hop limit of all later packets of the request's connection.
func limitHops(r *http.Request, hops int) error {
	conn := web.Conn(r)
	if conn == nil {
		return errors.New("cannot set the hop limit: no connection")
	}
	return setHopLimit(conn, hops)
}
