package guard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pageTest is a request with headers of a browser.
type pageTest struct {
	name   string
	header http.Header
	host   string // "": the default; none: no Host
	want   string // header and value that the refusal names; "": allowed
}

func runPages(t *testing.T, tests []pageTest) {
	t.Helper()
	rules := defaultRules()
	rules.Origins = []string{"http://localhost:3000", "https://console.example"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(func(r *http.Request) { r.Header = tt.header })
			if tt.host != "" {
				r.Host = strings.TrimPrefix(tt.host, "none")
			}
			want := ""
			if name, value, refused := strings.Cut(tt.want, " "); refused {
				want = page(name, value).text
			}
			got, h := "", headersOf(r)
			if denied := judgePage(rules, r.Host, &h); denied != nil {
				got = denied.text
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestJudgePage_RefusesOtherSites(t *testing.T) {
	runPages(t, []pageTest{
		{name: "no browser", header: http.Header{}},
		{name: "library with Sec-Fetch-Mode", header: http.Header{"Sec-Fetch-Mode": {"cors"}}}, // Node.js
		{name: "address typed into a browser", header: http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}}},
		{name: "link in an answer of the daemon", header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "Referer": {"http://127.0.0.1:5000/latest/"}}},
		{name: "cross-site", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, want: "Sec-Fetch-Site cross-site"},
		{name: "same site, another port", header: http.Header{"Sec-Fetch-Site": {"same-site"}}, want: "Sec-Fetch-Site same-site"},
		{name: "unknown value", header: http.Header{"Sec-Fetch-Site": {"None"}}, want: "Sec-Fetch-Site None"},
		{name: "empty", header: http.Header{"Sec-Fetch-Site": {""}}, want: "Sec-Fetch-Site "},
		{name: "two sites", header: http.Header{"Sec-Fetch-Site": {"none", "cross-site"}}, want: "Sec-Fetch-Site cross-site"},
		{name: "list of sites", header: http.Header{"Sec-Fetch-Site": {"none, cross-site"}}, want: "Sec-Fetch-Site none, cross-site"},
	})
}

func TestJudgePage_RefusesOtherOrigins(t *testing.T) {
	runPages(t, []pageTest{
		{name: "page", header: http.Header{"Origin": {"http://evil.example"}}, want: "Origin http://evil.example"},
		{name: "opaque origin", header: http.Header{"Origin": {"null"}}, want: "Origin null"},
		{name: "empty", header: http.Header{"Origin": {""}}, want: "Origin "},
		{name: "origin of the daemon", header: http.Header{"Origin": {"http://127.0.0.1:5000"}}, want: "Origin http://127.0.0.1:5000"},
		{name: "browser extension", header: http.Header{"Origin": {"chrome-extension://abc"}}, want: "Origin chrome-extension://abc"},
		{name: "page with Sec-Fetch-Site same-origin", header: http.Header{"Origin": {"http://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, want: "Origin http://evil.example"},
		{name: "allowed page", header: http.Header{"Origin": {"http://localhost:3000"}, "Sec-Fetch-Site": {"same-site"}, "Referer": {"http://localhost:3000/"}}},
		{name: "allowed page in capitals", header: http.Header{"Origin": {"HTTP://LOCALHOST:3000"}}},
		{name: "another port", header: http.Header{"Origin": {"http://localhost:3001"}}, want: "Origin http://localhost:3001"},
		{name: "another scheme", header: http.Header{"Origin": {"https://localhost:3000"}}, want: "Origin https://localhost:3000"},
		{name: "allowed name as prefix", header: http.Header{"Origin": {"https://console.example.evil"}}, want: "Origin https://console.example.evil"},
		{name: "with a path", header: http.Header{"Origin": {"https://console.example/"}}, want: "Origin https://console.example/"},
		{name: "two origins", header: http.Header{"Origin": {"http://localhost:3000", "http://evil.example"}}, want: "Origin http://evil.example"},
		{name: "list of origins", header: http.Header{"Origin": {"http://localhost:3000 http://evil.example"}}, want: "Origin http://localhost:3000 http://evil.example"},
		{name: "allowed Referer, other Origin", header: http.Header{"Origin": {"http://evil.example"}, "Referer": {"http://localhost:3000/"}}, want: "Origin http://evil.example"},
	})
}

func TestJudgePage_RefusesOtherReferers(t *testing.T) {
	runPages(t, []pageTest{
		{name: "page", header: http.Header{"Referer": {"http://evil.example/page"}}, want: "Referer http://evil.example"},
		{name: "allowed page", header: http.Header{"Referer": {"https://console.example/a?b#c"}, "Sec-Fetch-Site": {"cross-site"}}},
		{name: "empty", header: http.Header{"Referer": {""}}},
		{name: "empty, cross-site", header: http.Header{"Referer": {""}, "Sec-Fetch-Site": {"cross-site"}}, want: "Sec-Fetch-Site cross-site"},
		{name: "two Referers", header: http.Header{"Referer": {"http://localhost:3000/", "http://evil.example/"}}, want: "Referer http://localhost:3000"},
		{name: "daemon and page", header: http.Header{"Referer": {"http://127.0.0.1:5000/", "http://evil.example/"}}, want: "Referer http://evil.example"},
		{name: "another port", header: http.Header{"Referer": {"http://127.0.0.1:3001/"}}, want: "Referer http://127.0.0.1:3001"},
		{name: "user that looks like the host", header: http.Header{"Referer": {"http://127.0.0.1:5000@evil.example/"}}, want: "Referer http://evil.example"},
		{name: "fragment that looks like the host", header: http.Header{"Referer": {"http://evil.example#@127.0.0.1:5000/"}}, want: "Referer http://evil.example"},
		{name: "backslash", header: http.Header{"Referer": {`http://evil.example\@127.0.0.1:5000/`}}, want: "Referer null"},
		{name: "no scheme", header: http.Header{"Referer": {"evil.example/page"}}, want: "Referer null"},
		{name: "no scheme, no Host", header: http.Header{"Referer": {"evil.example/page"}}, host: "none", want: "Referer null"},
		{name: "about:client", header: http.Header{"Referer": {"about:client"}}, host: "none", want: "Referer null"},
		{name: "no scheme, but a host", header: http.Header{"Referer": {"//127.0.0.1:5000/"}}, want: "Referer null"},
		{name: "host of the daemon in capitals", header: http.Header{"Referer": {"http://LOCALHOST:5000/"}}, host: "localhost:5000"},
		{name: "IPv6 address of the daemon", header: http.Header{"Referer": {"http://[::1]:5000/"}}, host: "[::1]:5000"},
	})
}

// askPage sends a request with headers of a browser to a guard that allows http://localhost:3000.
func askPage(method string, header http.Header) *httptest.ResponseRecorder {
	rules := defaultRules()
	rules.Origins = []string{"http://localhost:3000"}
	rec := httptest.NewRecorder()
	newGuard(rules).Wrap(http.HandlerFunc(serveSecret)).ServeHTTP(rec, request(func(r *http.Request) { r.Method, r.Header = method, header }))
	return rec
}

func TestCORS_AllowedPageMayReadAnswer(t *testing.T) {
	fromPage := http.Header{"Origin": {"http://localhost:3000"}}
	forPage := http.Header{
		"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"http://localhost:3000"},
		"Access-Control-Expose-Headers": {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds"},
	}
	for _, tt := range []struct {
		name   string
		method string
		header http.Header
		want   http.Header
	}{
		{name: "no page", method: "GET", header: http.Header{}, want: http.Header{}},
		{name: "OPTIONS of no page", method: "OPTIONS", header: http.Header{"Access-Control-Request-Method": {"PUT"}}, want: http.Header{}},
		{name: "page", method: "GET", header: fromPage, want: forPage},
		{name: "OPTIONS of a page", method: "OPTIONS", header: fromPage, want: forPage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := askPage(tt.method, tt.header)
			header := rec.Header()
			header.Del("Content-Type") // of the handler
			if diff := cmp.Diff(tt.want, header); diff != "" || rec.Body.String() != secret || rec.Code != 200 {
				t.Errorf("%d %q, headers (-want +got):\n%s", rec.Code, rec.Body, diff)
			}
		})
	}
}

func TestCORS_PreflightIsAnswered(t *testing.T) {
	rec := askPage("OPTIONS", http.Header{"Origin": {"http://localhost:3000"}, "Access-Control-Request-Method": {"PUT"}})
	want := http.Header{
		"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"http://localhost:3000"},
		"Access-Control-Expose-Headers":        {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds"},
		"Access-Control-Allow-Methods":         {"GET, HEAD, PUT"},
		"Access-Control-Allow-Headers":         {"X-Aws-Ec2-Metadata-Token, X-Aws-Ec2-Metadata-Token-Ttl-Seconds"},
		"Access-Control-Allow-Private-Network": {"true"},
		"Content-Type":                         {"text/plain"}, "Content-Length": {"0"},
	}
	if diff := cmp.Diff(want, rec.Header()); diff != "" || rec.Body.Len() > 0 || rec.Code != 200 {
		t.Errorf("%d %q, headers (-want +got):\n%s", rec.Code, rec.Body, diff)
	}
}

func TestCORS_OtherPageGetsNoHeaders(t *testing.T) {
	for _, method := range []string{"GET", "OPTIONS"} {
		t.Run(method, func(t *testing.T) {
			rec := askPage(method, http.Header{"Origin": {"http://evil.example"}, "Access-Control-Request-Method": {"PUT"}})
			for name := range rec.Header() {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("the answer has %s", name)
				}
			}
			if rec.Code != 403 || rec.Body.String() == secret {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}

// FuzzPages requires a refusal for each origin that is not allowed.
func FuzzPages(f *testing.F) {
	for _, seed := range []string{
		"", "null", "http://localhost:3000", "http://evil.example/path?query#fragment", "http://user:word@evil.example/", "http://127.0.0.1:5000/",
		"http://127.0.0.1:5000@evil.example", `http://evil.example\@127.0.0.1:5000`, "//127.0.0.1:5000/", "http://[::1%25x]/", "about:blank",
	} {
		f.Add(seed, seed, "127.0.0.1:5000")
		f.Add("", seed, "")
	}
	f.Fuzz(func(t *testing.T, origin, referer, host string) {
		rules := &Rules{Origins: []string{"http://localhost:3000"}}
		r := request(func(r *http.Request) { r.Host = host })
		header("Referer", referer)(r)
		h := headersOf(r)
		if denied := judgePage(rules, host, &h); referer != "" && denied == nil {
			u, err := url.Parse(referer)
			if err != nil || u.Host == "" || !strings.EqualFold(u.Host, host) && !strings.EqualFold(u.Scheme+"://"+u.Host, rules.Origins[0]) {
				t.Errorf("Referer %q is allowed for Host %q", referer, host)
			}
		}
		header("Origin", origin)(r)
		h = headersOf(r)
		if denied := judgePage(rules, host, &h); denied == nil != strings.EqualFold(origin, rules.Origins[0]) {
			t.Errorf("Origin %q: refused by %v", origin, denied)
		}
	})
}
