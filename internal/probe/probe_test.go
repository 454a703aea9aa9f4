package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// serve answers every request with a status code, a Server header and a body, and returns the URL, with a slash at the end.
func serve(t *testing.T, code int, server, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", server)
		if r.Method == http.MethodPut && server == "EC2ws" {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
			return
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// daemon serves the status page of an instance, and returns the address.
func daemon(t *testing.T, id string) string {
	t.Helper()
	return host(serve(t, http.StatusOK, "EC2ws", `{"status": "ok", "instance_id": "`+id+`"}`))
}

func host(url string) string { return strings.Trim(strings.TrimPrefix(url, "http://"), "/") }

// silent reads each request and hangs up. It returns the URL.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn)) // without this the connection would be reset
			_ = conn.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

func TestFirst_SkipsAddressesWithoutADaemon(t *testing.T) {
	free, one, two := testutil.FreeAddr(t), daemon(t, "i-1"), daemon(t, "i-2")
	for _, tt := range []struct {
		name      string
		addresses []string
		want, id  string
	}{
		{name: "the first answers", addresses: []string{one, two}, want: one, id: "i-1"},
		{name: "the second answers", addresses: []string{free, two}, want: two, id: "i-2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, s, err := First(t.Context(), tt.addresses)
			if err != nil || found != tt.want || s.InstanceID != tt.id {
				t.Errorf("found %s, %+v, %v; want %s, %s", found, s, err, tt.want, tt.id)
			}
		})
	}
}

func TestFirst_ErrorIsOfTheFirstAddress(t *testing.T) {
	free := testutil.FreeAddr(t)
	found, s, err := First(t.Context(), []string{free, testutil.FreeAddr(t)})
	want := "nothing answers at http://" + free + "/status: dial tcp " + free + ": connect: connection refused"
	if found != free || s != nil || err == nil || err.Error() != want {
		t.Errorf("found %s, %+v, error %v; want %s", found, s, err, want)
	}
}

func TestStatus_NamesStrangers(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  string
		want string // {URL} stands for the URL
	}{
		{
			name: "a program", url: serve(t, http.StatusOK, "Program/1.0", `{"status": "ok"}`),
			want: `{URL}status answers 200 OK, but not as mock-ec2-metadata does (it is "Program/1.0")`,
		},
		{
			name: "a program without a name", url: serve(t, http.StatusNotFound, "", "not here"),
			want: `{URL}status answers 404 Not Found, but not as mock-ec2-metadata does`,
		},
		{
			name: "a status document with an error code", url: serve(t, http.StatusBadGateway, "", `{"status": "ok", "instance_id": "i-1"}`),
			want: `{URL}status answers 502 Bad Gateway, but not as mock-ec2-metadata does`,
		},
		{
			name: "no web server", url: silent(t),
			want: "what listens at {URL}status does not answer as mock-ec2-metadata does: EOF",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Status(t.Context(), tt.url+"status")
			var stranger *StrangerError
			if want := strings.ReplaceAll(tt.want, "{URL}", tt.url); s != nil || !errors.As(err, &stranger) || err.Error() != want {
				t.Errorf("got  %+v, %v\nwant %s", s, err, want)
			}
		})
	}
}

// TestStatus_NothingIsNoStranger has an address without a listener, and a request that is given up.
func TestStatus_AsksAgainWhileTheDaemonDoesNotKnowThePod(t *testing.T) {
	for _, tt := range []struct {
		name       string
		unknown    int // answers of 503
		retryAfter string
		wantCalls  int
		wantError  bool
	}{
		{name: "known at once", wantCalls: 1},
		{name: "known later", unknown: 3, retryAfter: "0", wantCalls: 4},
		{name: "never known", unknown: 99, retryAfter: "0", wantCalls: 11, wantError: true},
		{name: "unavailable without Retry-After", unknown: 99, wantCalls: 1, wantError: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls <= tt.unknown {
					if tt.retryAfter != "" {
						w.Header().Set("Retry-After", tt.retryAfter)
					}
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				_, _ = io.WriteString(w, `{"status": "ok", "instance_id": "i-1"}`)
			}))
			defer srv.Close()
			_, err := Status(t.Context(), srv.URL)
			if _, stranger := errors.AsType[*StrangerError](err); calls != tt.wantCalls || stranger != tt.wantError {
				t.Errorf("%d calls, error %v; want %d calls", calls, err, tt.wantCalls)
			}
		})
	}
}

func TestStatus_NothingIsNoStranger(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		url    string
		prefix string
	}{
		{name: "no listener", ctx: t.Context(), url: "http://" + testutil.FreeAddr(t) + "/", prefix: "nothing answers at {URL}status: dial tcp "},
		{name: "given up", ctx: cancelled, url: silent(t), prefix: "nothing answers at {URL}status: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Status(tt.ctx, tt.url+"status")
			var stranger *StrangerError
			want := strings.ReplaceAll(tt.prefix, "{URL}", tt.url)
			if s != nil || err == nil || errors.As(err, &stranger) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %+v, %v\nwant %s", s, err, want)
			}
		})
	}
}

// TestStatus_FollowsNoRedirect has a page that leads to a daemon.
func TestStatus_FollowsNoRedirect(t *testing.T) {
	there := "http://" + daemon(t, "i-1") + "/status"
	s := httptest.NewServer(http.RedirectHandler(there, http.StatusFound))
	defer s.Close()
	_, err := Status(t.Context(), s.URL+"/status")
	if want := s.URL + "/status answers 302 Found, but not as mock-ec2-metadata does"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestStatus_UsesNoProxy names a proxy that does not exist.
func TestStatus_UsesNoProxy(t *testing.T) {
	t.Setenv("http_proxy", "http://"+testutil.FreeAddr(t))
	if s, err := Status(t.Context(), "http://"+daemon(t, "i-1")+"/status"); err != nil || s.InstanceID != "i-1" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestIsEC2_NeedsItsNameAndSessionTokens(t *testing.T) {
	withoutTokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "EC2ws")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer withoutTokens.Close()
	for _, tt := range []struct {
		name string
		url  string
		want bool
	}{
		{name: "EC2", url: serve(t, http.StatusNotFound, "EC2ws", ""), want: true},
		{name: "EC2 that requires tokens", url: serve(t, http.StatusUnauthorized, "EC2ws", ""), want: true},
		{name: "another mock", url: serve(t, http.StatusNotFound, "Mock/1.0", "")},
		{name: "another mock with EC2's name", url: withoutTokens.URL + "/"},
		{name: "no web server", url: silent(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Status(t.Context(), tt.url+"status")
			var stranger *StrangerError
			if !errors.As(err, &stranger) {
				t.Fatal(err)
			}
			if got := IsEC2(t.Context(), base, stranger); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
