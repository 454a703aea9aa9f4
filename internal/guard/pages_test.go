package guard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPages(t *testing.T) {
	rules := usual()
	rules.Origins = []string{"http://localhost:3000", "https://console.example"}
	for _, tt := range []struct {
		name   string
		header http.Header
		host   string
		want   string // of the refusal: header and value
	}{
		{"no browser", http.Header{}, "", ""},
		{"a library that says how it fetches", http.Header{"Sec-Fetch-Mode": {"cors"}}, "", ""}, // Node.js
		{"typed by hand", http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}}, "", ""},
		{"followed from an own answer", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Referer": {"http://127.0.0.1:5000/latest/"}}, "", ""},
		{"cross-site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, "", "Sec-Fetch-Site cross-site"},
		{"same site, another port", http.Header{"Sec-Fetch-Site": {"same-site"}}, "", "Sec-Fetch-Site same-site"},
		{"unheard of", http.Header{"Sec-Fetch-Site": {"None"}}, "", "Sec-Fetch-Site None"},
		{"empty", http.Header{"Sec-Fetch-Site": {""}}, "", "Sec-Fetch-Site "},
		{"two sites", http.Header{"Sec-Fetch-Site": {"none", "cross-site"}}, "", "Sec-Fetch-Site cross-site"},
		{"a list of sites", http.Header{"Sec-Fetch-Site": {"none, cross-site"}}, "", "Sec-Fetch-Site none, cross-site"},

		{"a page", http.Header{"Origin": {"http://evil.example"}}, "", "Origin http://evil.example"},
		{"a page without origin", http.Header{"Origin": {"null"}}, "", "Origin null"},
		{"an empty origin", http.Header{"Origin": {""}}, "", "Origin "},
		{"the service's own origin", http.Header{"Origin": {"http://127.0.0.1:5000"}}, "", "Origin http://127.0.0.1:5000"},
		{"an extension", http.Header{"Origin": {"chrome-extension://abc"}}, "", "Origin chrome-extension://abc"},
		{"a page that calls itself same-origin", http.Header{"Origin": {"http://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, "", "Origin http://evil.example"},
		{"a page let in", http.Header{"Origin": {"http://localhost:3000"}, "Sec-Fetch-Site": {"same-site"}, "Referer": {"http://localhost:3000/"}}, "", ""},
		{"in capitals", http.Header{"Origin": {"HTTP://LOCALHOST:3000"}}, "", ""},
		{"another port", http.Header{"Origin": {"http://localhost:3001"}}, "", "Origin http://localhost:3001"},
		{"another scheme", http.Header{"Origin": {"https://localhost:3000"}}, "", "Origin https://localhost:3000"},
		{"a longer name", http.Header{"Origin": {"https://console.example.evil"}}, "", "Origin https://console.example.evil"},
		{"with a path", http.Header{"Origin": {"https://console.example/"}}, "", "Origin https://console.example/"},
		{"two origins", http.Header{"Origin": {"http://localhost:3000", "http://evil.example"}}, "", "Origin http://evil.example"},
		{"a list of origins", http.Header{"Origin": {"http://localhost:3000 http://evil.example"}}, "", "Origin http://localhost:3000 http://evil.example"},
		{"let in by Referer, but not by Origin", http.Header{"Origin": {"http://evil.example"}, "Referer": {"http://localhost:3000/"}}, "", "Origin http://evil.example"},

		{"a Referer alone", http.Header{"Referer": {"http://evil.example/page"}}, "", "Referer http://evil.example"},
		{"a Referer let in", http.Header{"Referer": {"https://console.example/a?b#c"}, "Sec-Fetch-Site": {"cross-site"}}, "", ""},
		{"an empty Referer", http.Header{"Referer": {""}}, "", ""},
		{"an empty Referer, cross-site", http.Header{"Referer": {""}, "Sec-Fetch-Site": {"cross-site"}}, "", "Sec-Fetch-Site cross-site"},
		{"two Referers", http.Header{"Referer": {"http://localhost:3000/", "http://evil.example/"}}, "", "Referer http://localhost:3000"},
		{"own and foreign Referer", http.Header{"Referer": {"http://127.0.0.1:5000/", "http://evil.example/"}}, "", "Referer http://evil.example"},
		{"a Referer of another port", http.Header{"Referer": {"http://127.0.0.1:3001/"}}, "", "Referer http://127.0.0.1:3001"},
		{"its user is not its host", http.Header{"Referer": {"http://127.0.0.1:5000@evil.example/"}}, "", "Referer http://evil.example"},
		{"nor is its fragment", http.Header{"Referer": {"http://evil.example#@127.0.0.1:5000/"}}, "", "Referer http://evil.example"},
		{"a backslash", http.Header{"Referer": {`http://evil.example\@127.0.0.1:5000/`}}, "", "Referer null"},
		{"no URL", http.Header{"Referer": {"evil.example/page"}}, "", "Referer null"},
		{"no URL, no Host", http.Header{"Referer": {"evil.example/page"}}, "none", "Referer null"},
		{"about:client", http.Header{"Referer": {"about:client"}}, "none", "Referer null"},
		{"//host", http.Header{"Referer": {"//127.0.0.1:5000/"}}, "", "Referer null"},
		{"host in capitals", http.Header{"Referer": {"http://LOCALHOST:5000/"}}, "localhost:5000", ""},
		{"address of IPv6", http.Header{"Referer": {"http://[::1]:5000/"}}, "[::1]:5000", ""},
	} {
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
			if no := judgePage(rules, r.Host, &h); no != nil {
				got = no.text
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestWelcome has the headers without which a browser keeps an answer from the page that it lets ask.
func TestWelcome(t *testing.T) {
	rules := usual()
	rules.Origins = []string{"http://localhost:3000"}
	h := newGuard(rules).Wrap(http.HandlerFunc(vault))
	ask := func(method string, header http.Header) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(func(r *http.Request) { r.Method, r.Header = method, header }))
		return rec
	}
	letIn := http.Header{
		"Vary": {"Origin"}, "Access-Control-Allow-Origin": {"http://localhost:3000"},
		"Access-Control-Expose-Headers": {"X-Aws-Ec2-Metadata-Token-Ttl-Seconds"},
	}
	before := letIn.Clone()
	for name, value := range map[string]string{
		"Content-Type": "text/plain", "Content-Length": "0", "Access-Control-Allow-Methods": "GET, HEAD, PUT",
		"Access-Control-Allow-Headers":         "X-Aws-Ec2-Metadata-Token, X-Aws-Ec2-Metadata-Token-Ttl-Seconds",
		"Access-Control-Allow-Private-Network": "true",
	} {
		before[name] = []string{value}
	}
	for _, tt := range []struct {
		name   string
		method string
		header http.Header
		want   http.Header
		body   string
	}{
		{"no page", "GET", http.Header{}, http.Header{}, secret},
		{"no page's OPTIONS", "OPTIONS", http.Header{"Access-Control-Request-Method": {"PUT"}}, http.Header{}, secret},
		{"a page", "GET", http.Header{"Origin": {"http://localhost:3000"}}, letIn, secret},
		{"its OPTIONS", "OPTIONS", http.Header{"Origin": {"http://localhost:3000"}}, letIn, secret},
		{"the browser first", "OPTIONS", http.Header{"Origin": {"http://localhost:3000"}, "Access-Control-Request-Method": {"PUT"}}, before, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := ask(tt.method, tt.header)
			body, header := rec.Body.String(), rec.Header()
			if body == secret { // the handler's own
				header.Del("Content-Type")
			}
			if diff := cmp.Diff(tt.want, header); diff != "" || body != tt.body || rec.Code != 200 {
				t.Errorf("%d %q, headers (-want +got):\n%s", rec.Code, body, diff)
			}
		})
	}
	for _, method := range []string{"GET", "OPTIONS"} {
		rec := ask(method, http.Header{"Origin": {"http://evil.example"}, "Access-Control-Request-Method": {"PUT"}})
		for name := range rec.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s from a foreign page is answered with %s", method, name)
			}
		}
		if rec.Code != 403 || rec.Body.String() == secret {
			t.Errorf("%s from a foreign page: %d %s", method, rec.Code, rec.Body)
		}
	}
}

// FuzzPages wants each page refused whose origin is not in the list.
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
		if no := judgePage(rules, host, &h); referer != "" && no == nil {
			u, err := url.Parse(referer)
			if err != nil || u.Host == "" || !strings.EqualFold(u.Host, host) && !strings.EqualFold(u.Scheme+"://"+u.Host, rules.Origins[0]) {
				t.Errorf("Referer %q is let in to Host %q", referer, host)
			}
		}
		header("Origin", origin)(r)
		h = headersOf(r)
		if no := judgePage(rules, host, &h); no == nil != strings.EqualFold(origin, rules.Origins[0]) {
			t.Errorf("Origin %q: refused by %v", origin, no)
		}
	})
}
