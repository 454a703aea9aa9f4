package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeService is a metadata service in memory, which counts and can misbehave.
type fakeService struct {
	leaves map[string]string // by path below the version; listings end with a slash
	odd    func(w http.ResponseWriter, r *http.Request, path string) bool

	mu    sync.Mutex
	asked []string // method and path
	times []time.Time
	token int
}

func (s *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/latest/")
	s.mu.Lock()
	s.asked, s.times = append(s.asked, r.Method+" "+path), append(s.times, time.Now())
	token := fmt.Sprint("token-", s.token)
	if r.Method == http.MethodPut {
		s.token++
		token = fmt.Sprint("token-", s.token)
	}
	s.mu.Unlock()
	if s.odd != nil && s.odd(w, r, path) {
		return
	}
	switch value, ok := s.leaves[path]; {
	case r.Method == http.MethodPut && path == "api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "60":
		_, _ = w.Write([]byte(token))
	case r.Method != http.MethodGet || r.Header.Get("X-aws-ec2-metadata-token") != token:
		w.WriteHeader(http.StatusUnauthorized)
	case ok:
		_, _ = w.Write([]byte(value))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// pipes is a listener whose connections are in memory, so that time in tests is virtual.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// crawlFake reads a fake service within a bubble of virtual time. It returns how long that took.
func crawlFake(t *testing.T, s *fakeService, limits crawlLimits, userData bool) (c *imdsCrawler, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		ctx, stop := context.WithCancel(t.Context())
		server := &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return ctx }}
		go func() { _ = server.Serve(p) }()
		began := time.Now()
		c, err = crawl(t.Context(), &url.URL{Scheme: "http", Host: "fake"}, limits, userData, p.dial)
		took = time.Since(began)
		stop()
		_ = server.Close()
		synctest.Wait()
	})
	return c, took, err
}

func smallService() *fakeService {
	return &fakeService{leaves: map[string]string{
		"meta-data/": "ami-id\niam/\nidentity-credentials/\nmanaged-ssh-keys/\npublic-keys/\nspot/\ntags/", "dynamic/": "instance-identity/",
		"meta-data/ami-id": "ami-00000000000000001", "meta-data/iam/": "info\nsecurity-credentials/", "meta-data/iam/info": "{}",
		"meta-data/iam/security-credentials/": "web", "meta-data/iam/security-credentials/web": "SECRET",
		"meta-data/public-keys/": "0=my key", "meta-data/public-keys/0/openssh-key": "ssh-ed25519 AAAA x\n",
		"meta-data/spot/": "instance-action\ntermination-time", "meta-data/spot/instance-action": "{}",
		"meta-data/tags/": "instance/", "meta-data/tags/instance/": "Name\nTeam", "meta-data/tags/instance/Name": "x", "meta-data/tags/instance/Team": "",
		"dynamic/instance-identity/": "document\npkcs7\nsignature", "dynamic/instance-identity/document": "{}",
		"dynamic/fws/instance-monitoring": "enabled", "user-data": "\xff\x00",
	}}
}

func TestCrawl_AsksForAllButSecrets(t *testing.T) {
	s := smallService()
	c, took, err := crawlFake(t, s, usualCrawl(), true)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PUT api/token", "GET meta-data/", "GET meta-data/ami-id", "GET meta-data/iam/", "GET meta-data/iam/info", "GET meta-data/iam/security-credentials/",
		"GET meta-data/public-keys/", "GET meta-data/public-keys/0/openssh-key", "GET meta-data/spot/", "GET meta-data/spot/instance-action", "GET meta-data/spot/termination-time",
		"GET meta-data/tags/", "GET meta-data/tags/instance/", "GET meta-data/tags/instance/Name", "GET meta-data/tags/instance/Team",
		"GET dynamic/", "GET dynamic/instance-identity/", "GET dynamic/instance-identity/document", "GET dynamic/fws/instance-monitoring", "GET user-data",
	}
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked\n%s\nnot\n%s", strings.Join(s.asked, "\n"), strings.Join(want, "\n"))
	}
	if perSecond := float64(len(s.asked)-1) / took.Seconds(); perSecond > 20 {
		t.Errorf("%.1f requests a second", perSecond)
	}
	for i, at := range s.times[1:] {
		if gap := at.Sub(s.times[i]); gap < 50*time.Millisecond {
			t.Errorf("request %d came %s after the one before", i+1, gap)
		}
	}
	if c.found.Role != "web" || c.found.KeyNames[0] != "my key" || string(c.found.UserData) != "\xff\x00" || len(c.found.Leaves) != 8 || len(c.found.Lost) > 0 {
		t.Errorf("found %+v", c.found)
	}
}

func TestCrawl_UserDataIsNotAskedForUnasked(t *testing.T) {
	s := smallService()
	if c, _, err := crawlFake(t, s, usualCrawl(), false); err != nil || c.found.UserData != nil || slices.Contains(s.asked, "GET user-data") {
		t.Errorf("%v, %q", err, s.asked)
	}
}

func TestCrawl_AsksForAnEntryOnce(t *testing.T) {
	s := smallService()
	s.leaves["meta-data/"] = "ami-id\ntags/\nami-id\ntags/"
	if _, _, err := crawlFake(t, s, usualCrawl(), false); err != nil {
		t.Fatal(err)
	}
	asked := strings.Join(s.asked, "\n") + "\n"
	if strings.Count(asked, "GET meta-data/ami-id\n") != 1 || strings.Count(asked, "GET meta-data/tags/\n") != 1 {
		t.Errorf("asked\n%s", asked)
	}
}

func TestCrawl_SaysWhatIsListedButNotThere(t *testing.T) {
	s := smallService()
	delete(s.leaves, "meta-data/ami-id")
	delete(s.leaves, "meta-data/tags/")
	s.leaves["meta-data/tags/instance/Name"] = "never asked for"
	s.leaves["dynamic/instance-identity/document"] = "\xff"
	delete(s.leaves, "dynamic/fws/instance-monitoring")
	c, _, err := crawlFake(t, s, usualCrawl(), false)
	want := map[string]string{"meta-data/ami-id": "listed, but not there", "meta-data/tags/": "listed, but not there", "dynamic/instance-identity/document": "not UTF-8 text"}
	if err != nil || fmt.Sprint(c.found.Lost) != fmt.Sprint(want) {
		t.Errorf("lost %v (%v)", c.found.Lost, err)
	}
}

// oddAnswers answers the n-th and later requests of a path oddly, up to some.
func oddAnswers(path string, times int, answer func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request, string) bool {
	return func(w http.ResponseWriter, _ *http.Request, asked string) bool {
		if asked != path || times == 0 {
			return false
		}
		times--
		answer(w)
		return true
	}
}

func answerStatus(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// breakConnection breaks the connection.
func breakConnection(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestCrawl_OutlastsPassingFaults(t *testing.T) {
	const path = "meta-data/ami-id"
	for name, odd := range map[string]func(http.ResponseWriter, *http.Request, string) bool{
		"503 twice":                  oddAnswers(path, 2, answerStatus(503)),
		"429 twice":                  oddAnswers(path, 2, answerStatus(429)),
		"a broken connection twice":  oddAnswers(path, 2, breakConnection),
		"401 once":                   oddAnswers(path, 1, answerStatus(401)),
		"a token that is refused 2x": oddAnswers("api/token", 2, answerStatus(503)),
	} {
		s := smallService()
		s.odd = odd
		if c, _, err := crawlFake(t, s, usualCrawl(), false); err != nil || c.found.Leaves[path] != s.leaves[path] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCrawl_GivesUpWithAReason(t *testing.T) {
	const path = "meta-data/ami-id"
	endless := func(w http.ResponseWriter, _ *http.Request, path string) bool {
		if strings.HasPrefix(path, "meta-data/") {
			_, _ = w.Write([]byte("a/\niam/"))
		}
		return strings.HasPrefix(path, "meta-data/")
	}
	hang := func(_ http.ResponseWriter, r *http.Request, asked string) bool {
		if asked == path {
			<-r.Context().Done()
		}
		return asked == path
	}
	slow := func(_ http.ResponseWriter, _ *http.Request, _ string) bool {
		time.Sleep(4 * time.Second) // virtual
		return false
	}
	listing := func(text string) func(http.ResponseWriter, *http.Request, string) bool {
		return oddAnswers("meta-data/", -1, func(w http.ResponseWriter) { _, _ = w.Write([]byte(text)) })
	}
	var flood strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&flood, "x%d/\n", i)
	}
	for _, tc := range []struct {
		name string
		odd  func(http.ResponseWriter, *http.Request, string) bool
		want string
	}{
		{"503 three times", oddAnswers(path, 3, answerStatus(503)), "fake: meta-data/ami-id: answers 503; try again later"},
		{"500", oddAnswers(path, 1, answerStatus(500)), "fake: meta-data/ami-id: answers 500; try again later"},
		{"401 twice", oddAnswers(path, 2, answerStatus(401)), "fake: meta-data/ami-id: answers 401; try again later"},
		{"broken connections", oddAnswers(path, -1, breakConnection), "fake: meta-data/ami-id: EOF"},
		{"a redirect", oddAnswers(path, 1, func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://fake/latest/secret")
			w.WriteHeader(http.StatusFound)
		}), "fake: meta-data/ami-id: redirects (302), which no metadata service of EC2 does"},
		{
			"a long value", oddAnswers(path, 1, func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 16<<10+1)) }),
			"fake: meta-data/ami-id: more than 16384 bytes; no value of EC2 is",
		},
		{"a directory in itself", endless, "fake: meta-data/a/a/a/a/a/a/a/a/a/a/a/a/a/ is deeper than 12 directories; it is no metadata service of EC2"},
		{"a flood", listing("ami-id\n" + flood.String()[:9000]), "fake: has not answered everything within 40s; try again later"},
		{"a way up", listing("ami-id\n../api/"), `fake: meta-data/ lists "../api", which is no name; it is no metadata service of EC2`},
		{"an empty name", listing("ami-id\n/"), `fake: meta-data/ lists "", which is no name; it is no metadata service of EC2`},
		{"a query", listing("ami-id\na?b"), `fake: meta-data/ lists "a?b", which is no name; it is no metadata service of EC2`},
		{"too many names", listing("ami-id\n" + strings.Repeat("x\n", 2000)), "fake: more than 2000 values; it is no metadata service of EC2"},
		{"a line feed of terminals", listing("ami-id\na\x1b[2Jb"), `fake: meta-data/ lists "a\x1b[2Jb", which is no name; it is no metadata service of EC2`},
		{"a zero byte", listing("ami-id\na\x00b"), `fake: meta-data/ lists "a\x00b", which is no name; it is no metadata service of EC2`},
		{"a page", listing("<html>\n<p>Log in</p>\n</html>"), "fake: meta-data/ lists nothing that EC2 has; it is no metadata service of EC2"},
		{"nothing", listing(""), "fake: meta-data/ lists nothing that EC2 has; it is no metadata service of EC2"},
		{"a long token", oddAnswers("api/token", 1, func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 5000)) }), "fake: what it gives as a session token is none; it is no metadata service of EC2 with IMDSv2"},
		{"hanging", hang, "fake: meta-data/ami-id: no answer within 5s"},
		{"slow answers", slow, "fake: has not answered everything within 40s; try again later"},
		{"no metadata", oddAnswers("meta-data/", 1, answerStatus(404)), "fake: has no meta-data/; it is no metadata service of EC2"},
		{"no tokens", oddAnswers("api/token", 1, answerStatus(404)), "fake: has no session tokens (404); it is no metadata service of EC2 with IMDSv2"},
		{"disabled", oddAnswers("api/token", 1, answerStatus(403)), "fake: refuses a session token (403); the metadata service is disabled, or does not allow this client"},
		{"an empty token", oddAnswers("api/token", 1, func(http.ResponseWriter) {}), "fake: what it gives as a session token is none; it is no metadata service of EC2 with IMDSv2"},
		{"a token of lines", oddAnswers("api/token", 1, func(w http.ResponseWriter) { _, _ = w.Write([]byte("a\nb")) }), "fake: what it gives as a session token is none; it is no metadata service of EC2 with IMDSv2"},
		{"no answer to the token", func(_ http.ResponseWriter, r *http.Request, path string) bool {
			if path == "api/token" {
				<-r.Context().Done()
			}
			return path == "api/token"
		}, "fake: no session token: no answer within 5s; is the hop limit too low? run it on the instance itself, not in a container"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := smallService()
			s.odd = tc.odd
			_, took, err := crawlFake(t, s, usualCrawl(), false)
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			if took > 41*time.Second {
				t.Errorf("it took %s", took)
			}
			if slices.Contains(s.asked, "GET secret") {
				t.Error("it has followed the redirect")
			}
		})
	}
}

func TestCrawl_BoundsTheNumberOfValues(t *testing.T) {
	s := smallService()
	limits := usualCrawl()
	limits.leaves, limits.pause = 5, 0
	_, _, err := crawlFake(t, s, limits, false)
	if want := "fake: more than 5 values; it is no metadata service of EC2"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if len(s.asked) > 8 {
		t.Errorf("it has asked %d times", len(s.asked))
	}
}

func TestCrawl_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := crawl(ctx, &url.URL{Scheme: "http", Host: "fake"}, usualCrawl(), false, func(ctx context.Context, _, _ string) (net.Conn, error) { return nil, ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestServiceURL_IsOfThisMachineOrAPrivateNetwork(t *testing.T) {
	for _, tc := range []struct {
		url   string
		force bool
		want  string
	}{
		{"http://169.254.169.254/", false, ""},
		{"http://[fd00:ec2::254]", false, ""},
		{"http://127.0.0.1:5000/", false, ""},
		{"http://localhost:5000", false, ""},
		{"http://[::ffff:10.0.0.1]/", false, ""},
		{"http://192.168.56.1:80/", false, ""},
		{"http://203.0.113.1/", false, "203.0.113.1 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://203.0.113.1/", true, ""},
		{"http://example.com/", false, "example.com is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://example.com/", true, ""},
		{"http://localhost.example.com/", false, "localhost.example.com is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"https://127.0.0.1/", false, `"https://127.0.0.1/" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"http://LocalHost:5000/", false, ""},
		{"http://[fe80::1%25eth0]/", false, ""},
		{"http://[::1]:5000/", false, ""},
		{"http://2852039166/", false, "2852039166 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://0xa9fea9fe/", false, "0xa9fea9fe is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://127.1/", false, "127.1 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://0.0.0.0/", false, "0.0.0.0 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://[::]/", false, ":: is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://[::ffff:203.0.113.1]/", false, "::ffff:203.0.113.1 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{"http://me:password@127.0.0.1/", true, `"…@127.0.0.1/" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"http://me:pass word@127.0.0.1:x/", true, `"…@127.0.0.1:x/" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"http://user@127.0.0.1/", false, `"…@127.0.0.1/" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"http://127.0.0.1/latest", false, `"http://127.0.0.1/latest" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"http://127.0.0.1/?a=b", true, `"http://127.0.0.1/?a=b" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"127.0.0.1:5000", false, `"127.0.0.1:5000" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{"", false, `"" is not the URL of a metadata service; write it like http://169.254.169.254/`},
	} {
		_, err := serviceURL(tc.url, tc.force)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: got %q, not %q", tc.url, got, tc.want)
		}
	}
}
