package guard

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// judgePage refuses what a browser sends for a web page of an origin that is not allowed (Fetch Metadata,
// https://www.w3.org/TR/fetch-metadata/). No client of a metadata service is a web page.
func judgePage(rules *Rules, host string, h *headers) *refusal {
	sent, referers := h.origin, originsOf(h.referer)
	origins := sent
	if len(origins) == 0 {
		origins = referers
	}
	denied := slices.IndexFunc(origins, func(o string) bool { return !slices.Contains(rules.Origins, strings.ToLower(o)) })
	switch {
	case len(origins) > 0 && denied < 0:
		return nil
	case len(sent) > 0:
		return page("Origin", sent[denied]).unless(originsKey, strings.ToLower(sent[denied]))
	}
	for _, site := range h.site {
		if site != "none" && site != "same-origin" {
			if len(referers) > 0 { // without an Origin that of the Referer decides
				return page("Sec-Fetch-Site", site).unless(originsKey, strings.ToLower(referers[denied]))
			}
			return page("Sec-Fetch-Site", site)
		}
	}
	for _, origin := range referers {
		if _, from, ok := strings.Cut(origin, "://"); !ok || !strings.EqualFold(from, host) {
			return page("Referer", origin).unless(originsKey, strings.ToLower(origin))
		}
	}
	return nil
}

const originsKey = "server.allow_origins"

func page(header, value string) *refusal {
	return forbidden("origins", "requests of web pages are not allowed (%s: %.100q); to allow this page, add its origin to server.allow_origins", header, value)
}

// originsOf returns the origins of page URLs, "null" for an invalid one. The rest of a URL may be secret and is dropped.
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

// answerCORS sets the headers with which a browser gives the answer to a page of an allowed origin (CORS,
// https://fetch.spec.whatwg.org/#http-cors-protocol). It answers preflight requests itself and returns true for them.
func answerCORS(w http.ResponseWriter, r *http.Request) (answered bool) {
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
