package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/testutil"
)

// crawler is a session of the console's page, and all that the daemon has told it.
type crawler struct {
	origin, token string
	told          map[string]string // by request
}

// newCrawler opens a session as the page does.
func newCrawler(t *testing.T, socket string) *crawler {
	t.Helper()
	opened, err := control.NewClient(socket).OpenConsole(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	origin, code, _ := strings.Cut(opened.URL, "/#k=")
	b := &crawler{origin: origin, told: map[string]string{}}
	var session api.ConsoleSession
	if err := json.Unmarshal([]byte(b.ask(t, "POST /v1/console/session", `{"code": "`+code+`"}`)), &session); err != nil {
		t.Fatal(err)
	}
	b.told, b.token = map[string]string{}, session.Token
	return b
}

// open sends "METHOD /path"; an empty body is none.
func (b *crawler) open(t *testing.T, request, body string) *http.Response {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, b.origin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// ask keeps an answer. A call that waits for its turn, since changes are limited, is sent again.
func (b *crawler) ask(t *testing.T, request, body string) string {
	t.Helper()
	told := ""
	testutil.Eventually(t, request+" is answered", func() bool {
		resp := b.open(t, request, body)
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		b.told[request+" "+body] = fmt.Sprint(resp.StatusCode, resp.Header, string(text))
		told = string(text)
		return resp.StatusCode != http.StatusTooManyRequests
	})
	return told
}

// crawl asks for each path of the tree below one, as a client.
func (b *crawler) crawl(t *testing.T, path, more string) {
	t.Helper()
	var n api.TreeNode
	if err := json.Unmarshal([]byte(b.ask(t, "GET /v1/tree?path="+url.QueryEscape(path)+more, "")), &n); err != nil {
		t.Fatal(err)
	}
	for _, child := range n.Children {
		if below := strings.TrimSuffix(path, "/") + "/" + child; child != "" {
			b.crawl(t, strings.TrimPrefix(below, "/"), more)
		}
	}
}

// stream reads until all topics have told something.
func (b *crawler) stream(t *testing.T) {
	t.Helper()
	resp := b.open(t, "GET /v1/stream?after=0", "")
	defer func() { _ = resp.Body.Close() }()
	lines, left := bufio.NewScanner(resp.Body), []string{"requests", "refusals", "credentials", "config", "simulation"}
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		b.told["GET /v1/stream"] += lines.Text() + "\n"
		topic, isTopic := strings.CutPrefix(lines.Text(), "event: ")
		if isTopic {
			left = slices.DeleteFunc(left, func(one string) bool { return one == topic })
		}
		if len(left) == 0 && lines.Text() == "" {
			return
		}
	}
	t.Errorf("the stream ended without %v", left)
}

// wantAll checks that each call of the API has been asked for, by each method that it has.
func (b *crawler) wantAll(t *testing.T) {
	t.Helper()
	routes, ok := control.Handler(struct{ control.Daemon }{}, slog.New(slog.DiscardHandler)).(chi.Routes)
	if !ok {
		t.Fatal("the API has no router")
	}
	asked := map[string]bool{}
	for request := range b.told {
		method, path, _ := strings.Cut(strings.TrimPrefix(request, "revealed "), " ")
		path, _, _ = strings.Cut(path, " ")
		path, _, _ = strings.Cut(path, "?")
		if found := chi.NewRouteContext(); routes.Match(found, method, path) {
			asked[method+" "+found.RoutePattern()] = true
		}
	}
	n := 0
	err := chi.Walk(routes, func(method, pattern string, h http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method != http.MethodTrace {
			return nil // each path has all methods; its handler knows which it allows
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, strings.ReplaceAll(pattern, "{id}", "x"), nil))
		for allowed := range strings.SplitSeq(w.Header().Get("Allow"), ", ") {
			if n++; !asked[allowed+" "+pattern] {
				t.Errorf("%s %s has not been asked", allowed, pattern)
			}
		}
		return nil
	})
	if err != nil || n < 25 {
		t.Errorf("%d calls, %v", n, err)
	}
}
