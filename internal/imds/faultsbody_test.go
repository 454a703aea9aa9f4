package imds

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
)

const putRequest = "PUT /latest/api/token\n" + ttlHeader + ": 60"

func TestFault_TruncateKeepsLengthsConsistent(t *testing.T) {
	target, rule := faulty(t, config.Fault{Truncate: new(5)})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	for _, tt := range []struct {
		request, body string
		status        int
	}{
		{"GET " + idPath, "i-012", 200},
		{"HEAD " + idPath, "", 200},
		{"GET " + rolePath, "{\n  \"", 200},
		{"OPTIONS " + idPath, "", 200},
		{"GET /latest/meta-data/ami-launch-index", "0", 200},
		{"GET /nowhere", notFoundPage, 404},
		{"POST " + idPath + "\nContent-Length: 0", "", 405},
	} {
		resp, body, err := c.ask(tt.request)
		if resp.StatusCode != tt.status || body != tt.body || err != nil {
			t.Errorf("%q: %s %q %v", tt.request, resp.Status, body, err)
		}
		if tt.request[0] == 'H' && resp.ContentLength != 5 {
			t.Errorf("HEAD: length %d", resp.ContentLength)
		}
	}
	if rule.Hits() != 3 {
		t.Errorf("%d hits, want 3 changed answers", rule.Hits())
	}
}

func TestFault_ChangesNoOtherAnswers(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"truncate": {Truncate: new(3)}, "cut": {Cut: new(3)}, "stall": {Stall: new(3)}, "body": {Body: "empty"}, "drip": {Drip: time.Hour},
		"skew": {Skew: time.Hour}, "expired": {Credentials: &config.FaultCredentials{Expired: true}},
	} {
		target, rule := faulty(t, spec)
		target.Credentials = &fixedSource{&CredentialError{Code: "Failed", Temporary: true}}
		w, aborted := handle(target, get(rolePath))
		if w.Code != http.StatusServiceUnavailable || aborted || !strings.HasSuffix(w.Body.String(), "\n}") || rule.Hits() != 0 {
			t.Errorf("%s: %d %q, %d hits", name, w.Code, w.Body, rule.Hits())
		}
	}
}

func TestFault_TruncateToTheLengthIsNoHit(t *testing.T) {
	target, rule := faulty(t, config.Fault{Truncate: new(19)})
	if w, _ := handle(target, get(idPath)); w.Body.String() != instanceID || rule.Hits() != 0 {
		t.Errorf("%q, %d hits", w.Body, rule.Hits())
	}
}

func TestFault_CutSendsLessThanContentLength(t *testing.T) {
	for _, n := range []int{0, 5, 18} {
		target, rule := faulty(t, config.Fault{Cut: &n})
		addr, _, _ := serveTCP(t, target)
		c := dial(t, addr)
		resp, body, err := c.ask("GET " + idPath)
		if resp.ContentLength != 19 || body != instanceID[:n] || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d: length %d, %q %v", n, resp.ContentLength, body, err)
		}
		eventually(t, rule, 1)
	}
}

func TestFault_CutBeyondTheBodyClosesOnly(t *testing.T) {
	target, _ := faulty(t, config.Fault{Cut: new(1000)})
	addr, _, _ := serveTCP(t, target)
	for request, want := range map[string]string{"GET " + idPath: instanceID, "HEAD " + idPath: "", "OPTIONS " + idPath: ""} {
		c := dial(t, addr)
		if resp, body, err := c.ask(request); resp.StatusCode != http.StatusOK || body != want || err != nil {
			t.Errorf("%q: %s %q %v", request, resp.Status, body, err)
		}
		if _, err := c.in.ReadByte(); err == nil {
			t.Errorf("%q: the connection goes on", request)
		}
	}
}

func TestFault_StallSendsNothingMore(t *testing.T) {
	target, rule := faulty(t, config.Fault{Stall: new(5)})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	c.send("GET " + idPath)
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil || resp.ContentLength != 19 {
		t.Fatalf("%v %v", resp, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 19)
	if n, err := io.ReadFull(resp.Body, b[:5]); n != 5 || err != nil {
		t.Fatalf("%q %v", b[:n], err)
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := resp.Body.Read(b); n != 0 || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("%d bytes more, %v", n, err)
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	rule.End()
	if n, err := c.conn.Read(b); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
}

func TestFault_StallLeavesShortAnswersAlone(t *testing.T) {
	target, rule := faulty(t, config.Fault{Stall: new(19)})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	for request, want := range map[string]string{"GET " + idPath: instanceID, "HEAD " + rolePath: "", "OPTIONS " + rolePath: "", "GET /nowhere": notFoundPage} {
		if _, body, err := c.ask(request); body != want || err != nil {
			t.Errorf("%q: %q %v", request, body, err)
		}
	}
	if rule.Hits() != 1 { // the document of HEAD has other keys
		t.Errorf("%d hits", rule.Hits())
	}
}

// slow notes when each byte is flushed.
type slow struct {
	*httptest.ResponseRecorder
	flushed map[int]time.Duration // by size of the body
	begun   time.Time
}

func (s *slow) Flush() { s.flushed[s.Body.Len()] = time.Since(s.begun) }

func TestFault_DripHasGapsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target, rule := faulty(t, config.Fault{Drip: 30 * time.Millisecond})
		w := &slow{httptest.NewRecorder(), map[int]time.Duration{}, time.Now()}
		newRouter(&selector{target: target}, never).ServeHTTP(w, get(idPath))
		for n := range 20 {
			if got, want := w.flushed[n], time.Duration(n)*30*time.Millisecond; got != want {
				t.Errorf("%d bytes after %v, want %v", n, got, want)
			}
		}
		if w.Body.String() != instanceID || w.Header().Get("Content-Length") != "19" || rule.Hits() != 1 {
			t.Errorf("%q %v", w.Body, w.Header())
		}
	})
}

func TestFault_DripGivesTheRestAtOnce(t *testing.T) {
	for name, end := range map[string]time.Duration{"rule ends": time.Hour, "after 5 minutes": 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Drip: time.Minute})
			if name == "rule ends" {
				end = 90 * time.Second
			}
			timer := time.AfterFunc(end, rule.End)
			defer timer.Stop()
			begun := time.Now()
			w, aborted := handle(target, get(idPath))
			if took := time.Since(begun); aborted || w.Body.String() != instanceID || took != min(end, 5*time.Minute) {
				t.Errorf("%s: %q after %v", name, w.Body, took)
			}
		})
	}
}

func TestFault_DripKeepsConnectionsConsistent(t *testing.T) {
	target, rule := faulty(t, config.Fault{Drip: time.Millisecond})
	addr, _, _ := serveTCP(t, target)
	c := dial(t, addr)
	for request, want := range map[string]string{"GET " + idPath: instanceID, "HEAD " + idPath: "", "OPTIONS " + idPath: "", "GET /nowhere": notFoundPage} {
		if _, body, err := c.ask(request); body != want || err != nil {
			t.Errorf("%q: %q %v", request, body, err)
		}
	}
	if rule.Hits() != 1 {
		t.Errorf("%d hits, want that of GET", rule.Hits())
	}
}

func TestFault_BodyReplacesAnswersOf200Alone(t *testing.T) {
	for _, kind := range []string{"empty", "html"} {
		t.Run(kind, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Body: kind})
			target.TokensRequired = true
			addr, _, _ := serveTCP(t, target)
			c := dial(t, addr)
			token := "\n" + tokenHeader + ": " + string(target.Tokens.Issue(60))
			for _, request := range []string{"GET " + rolePath + token, "HEAD " + idPath + token, putRequest, "OPTIONS " + idPath + token, "GET " + idPath + token} {
				resp, body, err := c.ask(request)
				isPage := strings.HasPrefix(body, "<!DOCTYPE html>") && resp.Header.Get("Content-Type") == "text/html; charset=utf-8"
				head := request[0] == 'H'
				if resp.StatusCode != http.StatusOK || err != nil || kind == "html" && !isPage && !head || kind == "empty" && (body != "" || resp.ContentLength != 0) {
					t.Errorf("%q: %s %v %q %v", request, resp.Status, resp.Header, body, err)
				}
				if kind == "html" && (resp.Header.Get(ttlHeader) != "" || resp.Header.Get("Last-Modified") != "") {
					t.Errorf("%q: the page has the service's headers: %v", request, resp.Header)
				}
			}
			for request, want := range map[string]int{"GET " + idPath: 401, "GET /nowhere" + token: 404, "PUT /latest/api/token": 400, "GET /latest/api/token": 405} {
				if resp, body, _ := c.ask(request); resp.StatusCode != want || strings.Contains(body, "Sign in") {
					t.Errorf("%q: %s %q", request, resp.Status, body)
				}
			}
			if rule.Hits() != 5 {
				t.Errorf("%d hits, want 5", rule.Hits())
			}
		})
	}
}

func TestFault_NoTTLIsForTokensAlone(t *testing.T) {
	target, rule := faulty(t, config.Fault{NoTTL: true})
	w, _ := handle(target, putToken())
	token := w.Body.String()
	if w.Code != http.StatusOK || len(w.Header()[ttlHeader]) > 0 || w.Header().Get("Content-Length") != strconv.Itoa(tokenLength) || rule.Hits() != 1 {
		t.Errorf("PUT: %d %v, %d hits", w.Code, w.Header(), rule.Hits())
	}
	r := get(idPath)
	r.Header.Set(tokenHeader, token)
	if w, _ := handle(target, r); w.Code != http.StatusOK || w.Header().Get(ttlHeader) == "" || rule.Hits() != 1 {
		t.Errorf("GET: %d %v, %d hits", w.Code, w.Header(), rule.Hits())
	}
}
