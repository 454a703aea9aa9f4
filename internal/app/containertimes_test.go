package app

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const uninitialized2 = `{"code":"CredentialsUninitialized","message":"CredentialsV2Request: Credentials uninitialized for ID","HTTPErrorCode":503}`

// STS hangs from the start (container-credentials-reference section 0).
func TestContainers_BeforeTheFirstAnswerOfSTSAreToldToAskAgain(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, ".aws/credentials", "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = made-up\n")
	testutil.Write(t, "conf/config.yaml", withPods)
	synctest.Test(t, func(t *testing.T) {
		opt := options(load(t, ""))
		opt.HTTP = hangingHTTP{}
		u := newUnserved(t, opt)
		u.begin(t)
		self, web := u.Status().ECS.Containers[0].CredentialsID, u.id(t, "web")
		for _, tt := range []struct{ path, token, want string }{
			{"/v2/credentials/" + self, "", uninitialized2},
			{"/v2/credentials/" + web, "", uninitialized2},
			{"/v1/credentials?id=" + web, "", strings.Replace(uninitialized2, "V2", "V1", 1)},
			{"/v1/credentials", u.podToken(t, "shop", "web", "web-1"), "(ServiceUnavailableException): the credentials are not available yet; try again, fault: server\n"},
			{"/v1/credentials", u.podToken(t, "shop", "far", "far-1"), "(ServiceUnavailableException): the credentials are not available yet; try again, fault: server\n"},
		} {
			began := time.Now()
			rec := u.at("127.0.0.1:5000", tt.path, tt.token)
			if took := time.Since(began); rec.Code != http.StatusServiceUnavailable || rec.Body.String() != tt.want || took > patience {
				t.Errorf("%.16s: %d %s after %v", tt.path, rec.Code, rec.Body, took)
			}
			if got := rec.Header().Get("Retry-After"); got != "1" {
				t.Errorf("%.16s: Retry-After is %q", tt.path, got)
			}
		}
	})
}

// A document is the same for all who ask, until the next one or its end.
func TestContainers_DocumentOutlivesSTS(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.app.begin(t)
		w.app.Settle(t.Context())
		id := w.app.Status().ECS.Containers[0].CredentialsID
		ask := func(from string) (int, string) {
			rec := w.app.do(http.MethodGet, "/v2/credentials/"+id, from)
			return rec.Code, rec.Body.String()
		}
		code, first := ask("127.0.0.1:1")
		var d struct{ AccessKeyID, Expiration string }
		if err := json.Unmarshal([]byte(first), &d); err != nil || code != http.StatusOK {
			t.Fatal(code, err, first)
		}
		if was, _ := w.Issued(d.AccessKeyID); d.Expiration != was.Expires.UTC().Format("2006-01-02T15:04:05Z") {
			t.Errorf("it ends at %s, and that of STS at %v", d.Expiration, was.Expires)
		}
		w.Fail(stsfake.ServiceUnavailable)
		for range 59 {
			time.Sleep(time.Minute)
			for _, from := range []string{"127.0.0.1:2", "127.0.0.2:1"} {
				if code, again := ask(from); code != http.StatusOK || again != first {
					t.Fatalf("after %v: %d %s", time.Since(w.begun), code, again)
				}
			}
		}
		time.Sleep(2 * time.Minute)
		if code, body := ask("127.0.0.1:1"); code != http.StatusServiceUnavailable || body != uninitialized2 {
			t.Errorf("after its end: %d %s", code, body)
		}
	})
}
