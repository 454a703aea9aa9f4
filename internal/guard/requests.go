package guard

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// judgePage refuses what a browser sends for a page of somebody else: no client of a metadata service is a web page
// (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/).
func judgePage(rules *Rules, r *http.Request) *refusal {
	const rule = "origins"
	if len(r.Header["Origin"]) == 0 && len(r.Header["Sec-Fetch-Site"]) == 0 && len(r.Header["Referer"]) == 0 {
		return nil
	}
	referers := r.Header["Referer"]
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		origins = originsOf(referers)
	}
	if len(origins) > 0 && !slices.ContainsFunc(origins, func(o string) bool { return !slices.Contains(rules.Origins, strings.ToLower(o)) }) {
		return nil
	}
	if sent := r.Header["Origin"]; len(sent) > 0 {
		return page(rule, "Origin", sent[0])
	}
	for _, site := range r.Header["Sec-Fetch-Site"] {
		if site != "none" && site != "same-origin" {
			return page(rule, "Sec-Fetch-Site", site)
		}
	}
	for i, origin := range originsOf(referers) {
		_, host, _ := strings.Cut(origin, "://")
		if referers[i] != "" && !strings.EqualFold(host, r.Host) {
			return page(rule, "Referer", referers[i])
		}
	}
	return nil
}

func page(rule, header, value string) *refusal {
	return forbidden(rule, "requests of web pages are not let in (%s: %.100q); to let this page in, add its origin to server.allow_origins", header, value)
}

// originsOf are the origins of pages, "" for what is none.
func originsOf(pages []string) []string {
	var origins []string
	for _, p := range pages {
		origin := ""
		if u, err := url.Parse(p); err == nil && u.Scheme != "" && u.Host != "" {
			origin = u.Scheme + "://" + u.Host
		}
		origins = append(origins, origin)
	}
	return origins
}

// Names of IMDSv2 (imds-reference section 3), in Go's canonical form.
const (
	tokenPath   = "/latest/api/token"        //nolint:gosec // a path, not a secret
	tokenHeader = "X-Aws-Ec2-Metadata-Token" //nolint:gosec // a name, not a secret
)

// judgeProxy refuses, as the real service does, session tokens that come through a proxy: one that can be made to fetch
// from here would hand them on (imds-reference section 0, rows 2 and 9).
func judgeProxy(rules *Rules, r *http.Request) *refusal {
	_, forwarded := r.Header["X-Forwarded-For"]
	if !forwarded || rules.Proxies {
		return nil
	}
	if _, token := r.Header[tokenHeader]; token || r.Method == http.MethodPut && web.Clean(r.URL.Path) == tokenPath {
		return forbidden("proxies", "session tokens are not given to proxies (X-Forwarded-For), as on EC2; to let them through, set server.allow_proxies: true")
	}
	return nil
}

// judgeSize bounds what a client can make the daemon read. No request needs a body.
func judgeSize(rules *Rules, r *http.Request) *refusal {
	if len(r.RequestURI) > rules.MaxURL {
		no := forbidden("sizes", "the request's URL has %d bytes; server.limits.url_bytes allows %d", len(r.RequestURI), rules.MaxURL)
		no.status = http.StatusRequestURITooLong
		return no
	}
	size := r.ContentLength
	if size < 0 { // chunked: only reading tells
		size, _ = io.Copy(io.Discard, io.LimitReader(r.Body, rules.MaxBody+1))
	}
	if size > rules.MaxBody {
		no := forbidden("sizes", "the request's body has more than the %d bytes that server.limits.body_bytes allows", rules.MaxBody)
		no.status = http.StatusRequestEntityTooLarge
		return no
	}
	return nil
}
