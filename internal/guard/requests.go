package guard

import (
	"io"
	"net/http"

	"mock-ec2-metadata/internal/web"
)

// Names of IMDSv2 (imds-reference section 3), in Go's canonical form.
const (
	tokenPath   = "/latest/api/token"        //nolint:gosec // a path, not a secret
	tokenHeader = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a name, not a secret
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// judgeProxy refuses, as the real service does, session tokens that come through a proxy: one that can be made to fetch
// from here would hand them on (imds-reference section 0, rows 2 and 9).
func judgeProxy(rules *Rules, r *http.Request, h *headers) *refusal {
	if !h.forwarded || rules.Proxies {
		return nil
	}
	if h.token || r.Method == http.MethodPut && web.Clean(r.URL.Path) == tokenPath {
		return forbidden("proxies", "session tokens are not given to proxies (X-Forwarded-For), as on EC2; to let them through, set server.allow_proxies: true")
	}
	return nil
}

// judgeSize bounds what a client can make the daemon read. No request needs a body.
func judgeSize(rules *Rules, r *http.Request, h *headers) *refusal {
	if len(r.RequestURI) > rules.MaxURL {
		no := forbidden("sizes", "the request's URL has %d bytes; server.limits.url_bytes allows %d", len(r.RequestURI), rules.MaxURL)
		no.status = http.StatusRequestURITooLong
		return no
	}
	if h.bytes > rules.MaxHeader {
		no := forbidden("sizes", "the request's headers have %d bytes; server.limits.header_bytes allows %d", h.bytes, rules.MaxHeader)
		no.status = http.StatusRequestHeaderFieldsTooLarge
		return no
	}
	size := r.ContentLength
	if size < 0 { // chunked: only reading tells
		var err error
		if size, err = io.Copy(io.Discard, io.LimitReader(r.Body, rules.MaxBody+1)); err != nil {
			return &refusal{"sizes", http.StatusBadRequest, "the request's body does not end as Transfer-Encoding: chunked has it"}
		}
	}
	if size > rules.MaxBody {
		no := forbidden("sizes", "the request's body has more than the %d bytes that server.limits.body_bytes allows", rules.MaxBody)
		no.status = http.StatusRequestEntityTooLarge
		return no
	}
	return nil
}

// headers are what the rules look at of a request's headers, found in one go.
type headers struct {
	bytes                 int // on the wire, but for those few that net/http takes away
	origin, referer, site []string
	forwarded, token      bool
}

func headersOf(r *http.Request) headers {
	const around = len(": \r\n")
	h := headers{bytes: len("Host") + len(r.Host) + around}
	for name, values := range r.Header {
		for _, value := range values {
			h.bytes += len(name) + len(value) + around
		}
		switch name {
		case "Origin":
			h.origin = values
		case "Referer":
			h.referer = values
		case "Sec-Fetch-Site":
			h.site = values
		case "X-Forwarded-For":
			h.forwarded = true
		case tokenHeader:
			h.token = true
		}
	}
	return h
}
