package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	webARN    = "arn:aws:iam::123456789012:role/web"
	webRole   = "roles: {web: {iam_role: '" + webARN + "'}}\n"
	webDenied = `no credentials of the role web: AccessDenied: profile "default" may not assume ` + webARN
)

// TestExecRole_WaitsForSTS has an STS that takes longer than a request waits.
func TestExecRole_WaitsForSTS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		listen func(t *testing.T) string
	}{
		{name: "its own daemon", listen: func(t *testing.T) string { return testutil.FreeAddr(t) }},
		{name: "a running daemon", listen: func(t *testing.T) string { return host(start(t).url) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts, _ := startSTS(t)
			sts.AddRole(roleARN)
			sts.AddRole(webARN)
			testutil.Write(t, "conf/config.yaml", realConfig+webRole)
			listen := tt.listen(t)
			sts.Delay(1500 * time.Millisecond)
			out, err := exec.Command("mock-ec2-metadata", "exec", "--role", "web", "--listen", listen, "--", "sh", "-c",
				`get "$AWS_CONTAINER_CREDENTIALS_FULL_URI"`).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "200 OK\n") || !strings.Contains(string(out), `"RoleArn":"`+webARN+`"`) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestExecRole_RefusedRoleIsSaid(t *testing.T) {
	sts, _ := startSTS(t)
	sts.AddRole(roleARN)
	testutil.Write(t, "conf/config.yaml", realConfig+webRole)
	d := start(t)
	got := run(t, "exec", "--role", "web", "--listen", host(d.url), "--", "echo", "done")
	if got.code != 0 || got.stdout != "done\n" || !strings.HasPrefix(got.stderr, "mock-ec2-metadata: "+webDenied) || strings.Count(got.stderr, "\n") != 1 {
		t.Errorf("%+v\nwant %s", got, webDenied)
	}
}

// TestRolePlace_ErrorsHideTheID has answers that are no daemon's.
func TestRolePlace_ErrorsHideTheID(t *testing.T) {
	const id = "6f1e2d3c-0b1a-4c5d-8e9f-a0b1c2d3e4f5"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer s.Close()
	for _, tt := range []struct{ url, want string }{
		{s.URL + "/", "the daemon answers 418 I'm a teapot"},
		{"http://127.0.0.1:9/", "the daemon does not answer: dial tcp 127.0.0.1:9: connect: connection refused"},
		{"http://[::1/", "the daemon's address is malformed"},
	} {
		got := rolePlace{url: tt.url, id: id}.settle(t.Context(), func(context.Context) (*api.Status, error) { return &api.Status{}, nil })
		if got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.url, got, tt.want)
		}
	}
}

// TestPlaceOf_OtherMachinesAreToldNoIDs has a status as a daemon in a container gives it to the machine around it.
func TestPlaceOf_OtherMachinesAreToldNoIDs(t *testing.T) {
	_, err := placeOf(t.Context(), (&api.Status{InstanceID: "i-1"}).ForClients(), "web", "127.0.0.1:5000", nil)
	const want = "the daemon at http://127.0.0.1:5000/ tells the ids of roles to its own machine only, and runs in a container or on another one; " +
		"run this there, such as: docker exec mock-ec2-metadata /mock-ec2-metadata env --role web"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestPlaceOf_AnotherDaemonAtThePortIsNotTaken has one at 127.0.0.1, and asks for the role of one at another address.
func TestPlaceOf_AnotherDaemonAtThePortIsNotTaken(t *testing.T) {
	isolate(t)
	testutil.Write(t, "conf/config.yaml", mockConfig+webRole)
	d := start(t)
	s := d.status(t)
	if place, err := placeOf(t.Context(), &s, "web", "127.0.0.2:"+d.port(), nil); err != nil || place.url != d.url {
		t.Errorf("the same daemon: %s, %v", place.url, err)
	}
	s.StartedAt = s.StartedAt.Add(time.Nanosecond)
	if _, err := placeOf(t.Context(), &s, "web", "127.0.0.2:"+d.port(), nil); err == nil || !strings.Contains(err.Error(), " does not listen at 127.0.0.1, ") {
		t.Errorf("another: %v", err)
	}
}

func TestCheckCredentials_EqualRolesTakeOneCall(t *testing.T) {
	sts, _ := startSTS(t)
	sts.AddRole(roleARN)
	sts.AddRole(webARN)
	testutil.Write(t, "conf/config.yaml", realConfig+"roles: {a: {iam_role: "+webARN+"}, b: {iam_role: "+webARN+"}, c: {}, d: {iam_role: "+webARN+"x}}\n")
	got := run(t, "check", "--credentials")
	_, lines, _ := strings.Cut(got.stdout, "# the credentials it hands out\n")
	want := []string{
		"the file's own: you would be arn:aws:sts::123456789012:assumed-role/myrole/", "role a: you would be arn:aws:sts::123456789012:assumed-role/web/",
		"role b: you would be arn:aws:sts::123456789012:assumed-role/web/", "role c: you would be arn:aws:sts::123456789012:assumed-role/myrole/",
		"role d: no credentials: profile \"default\" may not assume " + webARN + "x (AccessDenied: ", "",
	}
	for i, line := range strings.Split(lines, "\n") {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if n := sts.Calls("AssumeRole"); n != 3 || got.code != exitFailure || got.stderr != "mock-ec2-metadata: 1 of 5 have no credentials; each line says why\n" {
		t.Errorf("%d calls, %+v", n, got)
	}
}

// TestMFA_RoleChoosesTheDevice has two devices.
func TestMFA_RoleChoosesTheDevice(t *testing.T) {
	sts, key := startSTS(t)
	other := sts.AddUser("other")
	testutil.Write(t, ".aws/credentials", profileFile(key)+strings.Replace(profileFile(other), "default", "other", 1))
	sts.SetMFA("developer", "123456")
	device := sts.SetMFA("other", "654321")
	sts.AddRole(roleARN, stsfake.MFA())
	sts.AddRole(webARN, stsfake.MFA())
	testutil.Write(t, "conf/config.yaml", realConfig+"  mfa_serial: "+mfaDevice+"\nroles: {web: {iam_role: "+webARN+", source_profile: other, mfa_serial: '"+device+"'}}\n")
	d := start(t)
	got := run(t, "exec", "--listen", host(d.url), "--role", "web", "--", "echo", "done")
	if got.code != 0 || !strings.Contains(got.stderr, "no credentials of the role web: AssumeRoleUnauthorizedAccess: waiting for MFA: ") {
		t.Errorf("exec: %+v", got)
	}
	got = d.run(t, "mfa", "--role", "web", "654321")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "credentials of arn:aws:sts::123456789012:assumed-role/web/i-0123456789abcdef0 until 2") {
		t.Errorf("mfa --role: %+v", got)
	}
	got = d.run(t, "mfa", "123456")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "credentials of arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until 2") {
		t.Errorf("mfa: %+v", got)
	}
}

// TestRolePlace_KeepsTheDaemonsAnswer has a daemon that answers 503 until the time is up, with various reasons in its status.
func TestRolePlace_KeepsTheDaemonsAnswer(t *testing.T) {
	const slow = "STS is slow or cannot be reached (CredentialsUninitialized: not yet); see {URL}status"
	for _, tt := range []struct {
		name    string
		state   string
		problem string // in the status
		answers int    // of 503; then the time is up
		want    string // {URL} stands for the daemon's
	}{
		{name: "time is up in the second request", state: api.StatePending, answers: 1, want: slow},
		{name: "time is up in the third request", state: api.StatePending, answers: 2, want: slow},
		{name: "time is up in the first request", want: "the daemon does not answer: context canceled"},
		{name: "failed", state: api.StateFailed, problem: "STS is failing; retrying", answers: 1, want: "STS is failing; retrying"},
		{name: "no reason", state: api.StateIdle, answers: 1, want: slow},
		{name: "valid since then", state: api.StateValid, answers: 1, want: "the daemon does not answer: context canceled"},
		{name: "no status", answers: 1, want: slow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, timeIsUp := context.WithCancel(t.Context())
			asked := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if asked++; asked > tt.answers {
					timeIsUp()
					<-r.Context().Done()
					return
				}
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte(`{"code": "CredentialsUninitialized", "message": "not yet"}`))
			}))
			defer s.Close()
			status := func(context.Context) (*api.Status, error) {
				if tt.state == "" {
					return nil, context.DeadlineExceeded
				}
				return &api.Status{Identities: []api.Identity{{ID: "id", Credentials: api.Credentials{State: tt.state, LastError: tt.problem}}}}, nil
			}
			got := rolePlace{url: s.URL + "/", id: "id"}.settle(ctx, status)
			if want := strings.ReplaceAll(tt.want, "{URL}", s.URL+"/"); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}
