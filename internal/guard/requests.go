package guard

import (
	"io"
	"net/http"
	"strconv"

	"mock-ec2-metadata/internal/web"
)

// Names of IMDSv2 (imds-reference section 3), in Go's canonical form.
const (
	tokenPath   = "/latest/api/token"        //nolint:gosec // a path, not a secret
	tokenHeader = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a name, not a secret
	ttlHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// judgeProxy denies session tokens to proxies, as the service does: an open proxy would pass them to its clients
// (imds-reference section 0, rows 2 and 9).
func judgeProxy(rules *Rules, r *http.Request, h *headers) *refusal {
	if !h.forwarded || rules.Proxies {
		return nil
	}
	if h.token || r.Method == http.MethodPut && web.Path(r) == tokenPath {
		return forbidden("proxies", "session tokens are denied to proxies (X-Forwarded-For), as on EC2; to allow them, set server.allow_proxies: true").
			unless("server.allow_proxies", "true")
	}
	return nil
}

// judgeSize limits what the daemon reads from a client. No request needs a body.
func judgeSize(rules *Rules, r *http.Request, h *headers) *refusal {
	if len(r.RequestURI) > rules.MaxURL {
		denied := forbidden("sizes", "the request's URL has %d bytes; server.limits.url_bytes allows %d", len(r.RequestURI), rules.MaxURL)
		denied.status = http.StatusRequestURITooLong
		return denied.unless("server.limits.url_bytes", strconv.Itoa(len(r.RequestURI)))
	}
	if h.bytes > rules.MaxHeader {
		denied := forbidden("sizes", "the request's headers have %d bytes; server.limits.header_bytes allows %d", h.bytes, rules.MaxHeader)
		denied.status = http.StatusRequestHeaderFieldsTooLarge
		return denied.unless("server.limits.header_bytes", strconv.Itoa(h.bytes))
	}
	size := r.ContentLength
	if size < 0 { // chunked
		var err error
		if size, err = io.Copy(io.Discard, io.LimitReader(r.Body, rules.MaxBody+1)); err != nil {
			return &refusal{rule: "sizes", status: http.StatusBadRequest, text: "the request's body is not valid for Transfer-Encoding: chunked"}
		}
	}
	if size > rules.MaxBody {
		denied := forbidden("sizes", "the request's body has more than the %d bytes that server.limits.body_bytes allows", rules.MaxBody)
		denied.status = http.StatusRequestEntityTooLarge
		if r.ContentLength < 0 { // how much would come is not known
			return denied
		}
		return denied.unless("server.limits.body_bytes", strconv.FormatInt(size, 10))
	}
	return nil
}

// headers holds the headers that the rules need, collected in one pass.
type headers struct {
	bytes                 int // on the wire, without the few headers that net/http removes
	origin, referer, site []string
	forwarded, token      bool
}

func headersOf(r *http.Request) headers {
	const overhead = len(": \r\n")
	h := headers{bytes: len("Host") + len(r.Host) + overhead}
	for name, values := range r.Header {
		for _, value := range values {
			h.bytes += len(name) + len(value) + overhead
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
