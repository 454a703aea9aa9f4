package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestStatus_IsShorterForOtherMachines(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "", "server.allow_clients=[192.0.2.0/24]")))
	u.begin(t)
	for _, tt := range []struct {
		from     string
		wantFile string
	}{
		{from: "127.0.0.1:40000", wantFile: "embedded default"},
		{from: "192.0.2.7:40000", wantFile: ""},
	} {
		t.Run(tt.from, func(t *testing.T) {
			rec := u.do(http.MethodGet, "/status", tt.from)
			var s api.Status
			if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil || rec.Code != http.StatusOK {
				t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
			}
			if s.Status != api.StatusOK || s.Config.File != tt.wantFile || (s.Credentials.ARN != "") != (tt.wantFile != "") {
				t.Errorf("%+v", s)
			}
			if got := rec.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

func TestStatus_OtherMethodsAre405(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "")))
	u.begin(t)
	rec := u.do(http.MethodPost, "/status", "127.0.0.1:40000")
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, HEAD" || rec.Body.String() != `{"error":"Method Not Allowed"}`+"\n" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
}

// TestStatus_CountsRefusals sends a Host name that public DNS could hold.
func TestStatus_CountsRefusals(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	req, err := http.NewRequest(http.MethodGet, d.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := d.status(t).Refused; resp.StatusCode != http.StatusForbidden || got["hosts"] != 1 {
		t.Errorf("%s, refused %v", resp.Status, got)
	}
}

// TestHandler_ServesNoControlPath asks the ordinary listener for the paths of the control socket.
func TestHandler_ServesNoControlPath(t *testing.T) {
	testutil.IsolateHome(t)
	u := newUnserved(t, options(load(t, "", "ec2.metadata_options.http_tokens=required")))
	for _, path := range []string{"/v1/status", "/v1/reload", "/v1/mfa", "/v1/state", "/v1/events/x", "//v1/faults/", "/v1/requests"} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions, "BREW"} {
			rec := u.do(method, path, "127.0.0.1:40000")
			if rec.Code != http.StatusNotFound || strings.Contains(rec.Body.String(), "instance_id") {
				t.Errorf("%s %s: %d %s", method, path, rec.Code, rec.Body)
			}
		}
	}
}
