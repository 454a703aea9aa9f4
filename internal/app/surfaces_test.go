package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/internal/web"
)

// at asks for a path at an address of this machine, which is also the Host.
func (u *unserved) at(local, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = local
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	r = r.WithContext(web.WithConn(context.Background(), to{local: local}))
	rec := httptest.NewRecorder()
	u.http.ServeHTTP(rec, r)
	return rec
}

// Software that is tricked into a request at one service must not reach another (container-credentials-reference section 10.2).
func TestHandler_AddressOfAServiceServesItAlone(t *testing.T) {
	u, sts := realMany(t, withPods+"ecs: {enabled: true}\n")
	before := sts.Calls("AssumeRole")
	id, self, token := u.id(t, "web"), u.Status().ECS.Containers[0], u.podToken(t, "shop", "web", "web-1")
	const (
		imds, shared  = "169.254.169.254:80", "127.0.0.1:5000"
		ecs           = "169.254.170.2:80"
		pods, podsIP6 = "169.254.170.23:80", "[fd00:ec2::23]:80"

		page      = "404 page not found\n"
		noID      = `{"code":"NoIdInRequest","message":"CredentialsV1Request: No Credential ID in the request","HTTPErrorCode":400}`
		noToken   = "Service account token cannot be empty\n"
		ofRole    = `{"RoleArn":"arn:aws:iam::123456789012:role/web","AccessKeyId":"`
		ofPod     = `{"AccessKeyId":"`
		container = `{"DockerId":"`
		html      = `<?xml version="1.0"`
	)
	for _, tt := range []struct {
		at, path string
		token    string
		status   int
		begins   string
	}{
		{ecs, "/v2/credentials/" + id, "", 200, ofRole},
		{ecs, "/v1/credentials?id=" + id, "", 200, ofRole},
		{ecs, "/v1/credentials", token, 400, noID},
		{ecs, "/v4/" + self.EndpointID, "", 200, container},
		{ecs, "/latest/meta-data/", "", 404, page},
		{ecs, "/status", "", 404, page},
		{ecs, "/", "", 404, page},
		{pods, "/v1/credentials", token, 200, ofPod},
		{podsIP6, "/v1/credentials", token, 200, ofPod},
		{podsIP6, "/v1/credentials?id=" + id, token, 200, ofPod},
		{pods, "/v1/credentials?id=" + id, "", 400, noToken},
		{pods, "/v1/credentials/", token, 404, page},
		{pods, "/v2/credentials/" + id, token, 404, page},
		{podsIP6, "/v2/credentials/" + id, token, 404, page},
		{pods, "/v4/" + self.EndpointID, token, 404, page},
		{pods, "/latest/meta-data/", token, 404, page},
		{podsIP6, "/status", token, 404, page},
		{shared, "/v1/credentials", token, 200, ofPod},
		{shared, "/v1/credentials", "", 400, noToken},
		{shared, "/v1/credentials?id=" + id, token, 200, ofRole},
		{shared, "/v1/credentials?id=", token, 400, noID},
		{shared, "/latest/meta-data/instance-id", "", 200, "i-"},
		{imds, "/v1/credentials", token, 404, html},
		{imds, "/v2/credentials/" + id, "", 404, html},
		{imds, "/v4/" + self.EndpointID, "", 404, html},
		{imds, "/latest/meta-data/instance-id", "", 200, "i-"},
	} {
		t.Run(tt.at+strings.NewReplacer(id, "ID", self.EndpointID, "ENDPOINT").Replace(tt.path), func(t *testing.T) {
			rec := u.at(tt.at, tt.path, tt.token)
			if rec.Code != tt.status || !strings.HasPrefix(rec.Body.String(), tt.begins) {
				t.Errorf("%d %.80s", rec.Code, rec.Body)
			}
			ofIMDS := tt.begins == html || tt.begins == "i-"
			if got := rec.Header().Get("Server"); (got != "") != ofIMDS {
				t.Errorf("Server is %q", got)
			}
		})
	}
	if n := sts.Calls("AssumeRole") - before; n != 1 { // for all addresses and both services
		t.Errorf("%d calls of STS", n)
	}
}

// Ports of their own need none of the addresses that containers have built in. There the guard's rule for Host holds.
func TestListen_PortOfAServiceServesItAlone(t *testing.T) {
	testutil.IsolateHome(t)
	ecs, pods := testutil.FreeAddr(t), testutil.FreeAddr(t)
	testutil.Write(t, "conf/config.yaml", fmt.Sprintf("credentials: {mock: true}\necs: {enabled: true, listen: %q}\n"+
		"pod_identity: {enabled: true, verify: none, listen: [%q, '[fd00:ec2::23]:80']}\n", ecs, pods))
	d := startWith(t, options(load(t, "")))
	const page, noToken = "404 page not found\n", "Service account token cannot be empty\n"
	for _, tt := range []struct {
		url    string
		status int
		body   string
	}{
		{ecs + "/v1/credentials", 400, `{"code":"NoIdInRequest","message":"CredentialsV1Request: No Credential ID in the request","HTTPErrorCode":400}`},
		{ecs + "/latest/meta-data/", 404, page},
		{ecs + "/status", 404, page},
		{pods + "/v1/credentials", 400, noToken},
		{strings.Replace(pods, "127.0.0.1", "localhost", 1) + "/v1/credentials", 400, noToken},
		{pods + "/v2/credentials/", 404, page},
		{pods + "/latest/meta-data/", 404, page},
	} {
		if code, body := fetch(t, "http://"+tt.url); code != tt.status || body != tt.body {
			t.Errorf("%s: %d %s", tt.url, code, body)
		}
	}
	s := d.status(t)
	if got := strings.Join(append(s.ECS.Listen, s.PodIdentity.Listen...), " "); got != ecs+" "+pods {
		t.Errorf("open are %s", got)
	}
	const hint = `to put the address on this machine and listen there, start as root with --link-local; where IPv6 is off, leave it out of pod_identity.listen`
	if got := d.log.String(); strings.Count(got, "not listening at an address of containers") != 1 || !strings.Contains(got, hint) {
		t.Errorf("logged %s", got)
	}
}

func TestListen_PortOfAServiceInUseIsNamed(t *testing.T) {
	testutil.IsolateHome(t)
	d := start(t)
	taken := d.Addrs()[0].String()
	testutil.Write(t, "conf/other.yaml", fmt.Sprintf("credentials: {mock: true}\npod_identity: {enabled: true, verify: none, listen: %q}\n", taken))
	_, err := New(t.Context(), options(load(t, "conf/other.yaml")))
	if err == nil || !strings.HasPrefix(err.Error(), "pod_identity.listen: ") || !strings.Contains(err.Error(), taken) {
		t.Errorf("got %v", err)
	}
}
