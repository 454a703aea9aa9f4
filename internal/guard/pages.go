package guard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// judgePage refuses what a browser sends for a page of somebody else: no client of a metadata service is a web page
// (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/).
func judgePage(rules *Rules, host string, h *headers) *refusal {
	sent, referers := h.origin, originsOf(h.referer)
	origins := sent
	if len(origins) == 0 {
		origins = referers
	}
	foreign := slices.IndexFunc(origins, func(o string) bool { return !slices.Contains(rules.Origins, strings.ToLower(o)) })
	switch {
	case len(origins) > 0 && foreign < 0:
		return nil
	case len(sent) > 0:
		return page("Origin", sent[foreign])
	}
	for _, site := range h.site {
		if site != "none" && site != "same-origin" {
			return page("Sec-Fetch-Site", site)
		}
	}
	for _, origin := range referers {
		if _, from, ok := strings.Cut(origin, "://"); !ok || !strings.EqualFold(from, host) {
			return page("Referer", origin)
		}
	}
	return nil
}

func page(header, value string) *refusal {
	return forbidden("origins", "requests of web pages are not let in (%s: %.100q); to let this page in, add its origin to server.allow_origins", header, value)
}

// originsOf are the origins of pages, "null" for what is no URL. The rest of a page's URL may be secret, and goes nowhere.
func originsOf(pages []string) []string {
	var origins []string
	for _, p := range pages {
		if p == "" {
			continue
		}
		origin := "null"
		if u, err := url.Parse(p); err == nil && u.Scheme != "" && u.Host != "" {
			origin = u.Scheme + "://" + u.Host
		}
		origins = append(origins, origin)
	}
	return origins
}

// welcome lets a page whose origin is let in read the answer, which browsers keep from pages otherwise (CORS,
// https://fetch.spec.whatwg.org/#http-cors-protocol). It says whether it has given the answer itself: the one to a browser
// that asks what it may send.
func welcome(w http.ResponseWriter, r *http.Request) (answered bool) {
	sent := r.Header["Origin"]
	if len(sent) == 0 {
		return false
	}
	h := w.Header()
	h["Vary"] = []string{"Origin"}
	h["Access-Control-Allow-Origin"] = sent[:1:1]
	h["Access-Control-Expose-Headers"] = []string{ttlHeader}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h["Access-Control-Allow-Methods"] = []string{"GET, HEAD, PUT"}
	h["Access-Control-Allow-Headers"] = []string{tokenHeader + ", " + ttlHeader}
	h["Access-Control-Allow-Private-Network"] = []string{"true"}
	web.Write(w, http.StatusOK, "text/plain", nil)
	return true
}
