package imds

import (
	"errors"
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// NoHopLimit is the hop limit, 64, that means none: it is what Linux sends anyway.
const NoHopLimit = 64

// limitHops sets the IP TTL, or IPv6 hop limit, of all that is still to be sent on the request's connection.
func limitHops(r *http.Request, hops int) error {
	conn := web.Conn(r)
	if conn == nil {
		return errors.New("no connection to set the hop limit of")
	}
	return setHopLimit(conn, hops)
}
