package console

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzGate asks with anything but the session. Nothing reaches the API then, foreign names and pages get 403, and all answers have the
// headers.
func FuzzGate(f *testing.F) {
	const own = "127.0.0.1:41873"
	for _, seed := range [][6]string{
		{"GET", "/", own, "", "", ""},
		{"POST", "/v1/reload", own, "http://" + own, "same-origin", "Bearer x"},
		{"POST", "/v1/console/session", "localhost:41873", "null", "none", ""},
		{"DELETE", "/v1/console/session", own, "", "", "Bearer "},
		{"GET", "/v1/status", "rebind.example:41873", "http://rebind.example:41873", "same-origin", ""},
		{"CONNECT", "", "[::1]:41873", "", "cross-site", "bearer\tx"},
		{"OPTIONS", "*", "127.0.0.1", "", "", "Basic x"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4], seed[5])
	}
	f.Fuzz(func(t *testing.T, method, path, host, origin, site, authorization string) {
		w := newWorld(t, Auto, true)
		now := time.Now()
		token := w.sessions.redeem(w.sessions.newCode(now), now).token
		g := &gate{w.Console, &port{at: netip.MustParseAddrPort(own)}}
		if strings.Contains(authorization, string(token)) {
			t.Skip("it has guessed 256 bits")
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: path}, Host: host, Header: http.Header{"Content-Type": {"application/json"}}, Body: http.NoBody}
		for name, value := range map[string]string{"Origin": origin, "Sec-Fetch-Site": site, "Authorization": authorization} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		answer := httptest.NewRecorder()
		g.ServeHTTP(answer, r)
		if calls := w.calls.String(); calls != "" {
			t.Errorf("the API was asked: %s", calls)
		}
		ownHost := host == own || strings.EqualFold(host, "localhost:41873") || host == "[127.0.0.1]:41873" || strings.EqualFold(host, "[localhost]:41873")
		ownPage := (origin == "" || strings.EqualFold(origin, "http://"+host)) && (site == "" || site == "same-origin" || site == "none")
		if (!ownHost || !ownPage) != (answer.Code == http.StatusForbidden && !strings.Contains(answer.Body.String(), "code")) {
			t.Errorf("%q by %q of %q: %d %s", host, origin, site, answer.Code, answer.Body)
		}
		wantSecure(t, method+" "+path, answer.Header())
	})
}
