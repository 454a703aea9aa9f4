package app

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	baseARN = "arn:aws:iam::123456789012:role/base"
	midARN  = "arn:aws:iam::123456789012:role/mid"
	// soon is how long the daemon may take to use a fixed profile.
	soon = 2 * time.Second

	ssoConfig = `[default]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = PowerUser
[sso-session corp]
sso_region = ` + stsfake.SSORegion + `
sso_start_url = ` + stsfake.SSOStartURL + `
`
)

// webIdentity is a profile that takes its credentials by a token in a file.
func webIdentity(name, file string) string {
	return fmt.Sprintf("[profile %s]\nrole_arn = %s\nweb_identity_token_file = %s\n", name, baseARN, file)
}

// startAWS serves a fake AWS whose roles may be assumed, and isolates a home that leads to it.
func startAWS(t *testing.T) *stsfake.Server {
	t.Helper()
	testutil.IsolateHome(t)
	sts := stsfake.Start(t)
	for _, variable := range []string{"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"} {
		t.Setenv(variable, sts.URL())
	}
	for _, role := range []string{roleARN, baseARN, midARN} {
		sts.AddRole(role)
	}
	return sts
}

// configure writes a configuration that assumes the role by a profile, "" for none.
func configure(t *testing.T, profile string) {
	t.Helper()
	testutil.Write(t, "conf/config.yaml", fmt.Sprintf("credentials: {source_profile: '%s', iam_role: '%s'}\n", profile, roleARN))
}

// wantFailure waits until /status says why there are no credentials.
func (d *daemon) wantFailure(t *testing.T, why string) {
	t.Helper()
	testutil.Eventually(t, why, func() bool {
		s := d.status(t)
		return s.Credentials.State == api.StateFailed && strings.Contains(s.Credentials.LastError, why)
	})
}

// wantSoon expects a client to get credentials soon after fix.
func (d *daemon) wantSoon(t *testing.T, fix func()) {
	t.Helper()
	fix()
	fixed := time.Now()
	testutil.EventuallyWithin(t, soon, "the fixed profile is used", func() bool {
		code, body := d.get(t, rolePath)
		return code == http.StatusOK && strings.Contains(body, `"Code" : "Success"`)
	})
	t.Logf("used after %v", time.Since(fixed).Round(time.Millisecond))
}

// TestProfile_FixIsUsedWithoutRestart fixes what a profile's credentials come from, in each of the ways that there are.
func TestProfile_FixIsUsedWithoutRestart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile string
		wrong   func(t *testing.T, sts *stsfake.Server) // as it is at the start
		why     string                                  // there are no credentials
		right   func(t *testing.T, sts *stsfake.Server)
	}{
		{
			name: "edited key", profile: "default",
			wrong: func(t *testing.T, sts *stsfake.Server) {
				key := sts.AddUser("developer")
				key.SecretAccessKey = "wrong"
				testutil.Write(t, ".aws/credentials", profile(key))
			},
			why: `the secret key of profile "default" is wrong`,
			right: func(t *testing.T, sts *stsfake.Server) {
				testutil.Write(t, ".aws/credentials", profile(sts.AddUser("developer")))
			},
		},
		{
			name: "first SSO login", profile: "default",
			wrong: func(t *testing.T, _ *stsfake.Server) { testutil.Write(t, ".aws/config", ssoConfig) },
			why:   `profile "default" has no SSO session`,
			right: loginSSO,
		},
		{
			name: "SSO login after the end of one", profile: "default",
			wrong: func(t *testing.T, sts *stsfake.Server) {
				testutil.Write(t, ".aws/config", ssoConfig)
				loginSSO(t, sts)
				login := sts.LoginSSO("alice")
				sts.RevokeSSO(login)
				if _, err := login.WriteSession(".aws/sso/cache", "corp"); err != nil {
					t.Fatal(err)
				}
			},
			why:   `the SSO session of profile "default" has ended`,
			right: loginSSO,
		},
		{
			name: "no web identity token", profile: "pod",
			wrong: func(t *testing.T, _ *stsfake.Server) {
				testutil.Write(t, ".aws/config", webIdentity("pod", "tokens/pod"))
			},
			why:   `the web identity token of profile "pod" cannot be read`,
			right: token("tokens/pod"),
		},
		{
			name: "empty web identity token", profile: "pod",
			wrong: func(t *testing.T, _ *stsfake.Server) {
				testutil.Write(t, ".aws/config", webIdentity("pod", "tokens/pod"))
				testutil.Write(t, "tokens/pod", "")
			},
			why:   `STS refuses the web identity of profile "pod"`,
			right: token("tokens/pod"),
		},
		{
			name: "wrong web identity token two profiles away", profile: "app",
			wrong: func(t *testing.T, _ *stsfake.Server) {
				testutil.Write(t, ".aws/config", "[profile app]\nrole_arn = "+midARN+"\nsource_profile = via\n"+
					"[profile via]\nrole_arn = "+midARN+"\nsource_profile = pod\n"+webIdentity("pod", "tokens/pod"))
				testutil.Write(t, "tokens/pod", "wrong")
			},
			why:   `STS refuses the web identity of profile "app"`,
			right: token("tokens/pod"),
		},
		{
			name: "switched web identity token, as Kubernetes does it", profile: "pod",
			wrong: func(t *testing.T, _ *stsfake.Server) {
				testutil.Write(t, ".aws/config", webIdentity("pod", "tokens/pod"))
				testutil.Write(t, "tokens/one/pod", "wrong")
				link(t, "one", "tokens/data")
				link(t, "data/pod", "tokens/pod")
			},
			why: `STS refuses the web identity of profile "pod"`,
			right: func(t *testing.T, sts *stsfake.Server) {
				token("tokens/two/pod")(t, sts)
				link(t, "two", "tokens/data")
			},
		},
		{
			name: "web identity token of the environment", profile: "",
			wrong: func(t *testing.T, _ *stsfake.Server) {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "tokens/environment")
				t.Setenv("AWS_ROLE_ARN", baseARN)
				testutil.Write(t, "tokens/environment", "wrong")
			},
			why:   "STS refuses the web identity of the environment",
			right: token("tokens/environment"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := startAWS(t)
			sts.AddPermissionSet("123456789012", "PowerUser")
			tt.wrong(t, sts)
			configure(t, tt.profile)
			d := start(t)
			d.wantFailure(t, tt.why)
			d.wantSoon(t, func() { tt.right(t, sts) })
		})
	}
}

// loginSSO logs in as aws sso login does.
func loginSSO(t *testing.T, sts *stsfake.Server) {
	t.Helper()
	if _, err := sts.LoginSSO("alice").WriteSession(".aws/sso/cache", "corp"); err != nil {
		t.Fatal(err)
	}
}

// token writes a good web identity token to a file.
func token(file string) func(*testing.T, *stsfake.Server) {
	return func(t *testing.T, sts *stsfake.Server) {
		t.Helper()
		sts.AddWebIdentity("good", baseARN)
		testutil.Write(t, file, "good")
	}
}

// link makes name a symbolic link, in one step.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// TestProfile_AnotherOneIsWatched changes which profile is in use.
func TestProfile_AnotherOneIsWatched(t *testing.T) {
	sts := startAWS(t)
	testutil.Write(t, "tokens/one", "wrong one")
	testutil.Write(t, "tokens/two", "wrong two")
	testutil.Write(t, ".aws/config", webIdentity("a", "tokens/one")+webIdentity("b", "tokens/two"))
	configure(t, "a")
	d := start(t)
	d.wantFailure(t, `profile "a"`)

	configure(t, "b")
	d.wantFailure(t, `profile "b"`)
	calls := sts.Calls("AssumeRoleWithWebIdentity")
	testutil.Write(t, "tokens/one", "changed, but of the other profile")
	testutil.Write(t, "tokens/two", "wrong again")
	testutil.Eventually(t, "the new profile is watched", func() bool { return lastToken(sts) == "wrong again" })
	if got := sts.Calls("AssumeRoleWithWebIdentity"); got != calls+1 {
		t.Errorf("%d calls, want 1", got-calls)
	}
	d.wantSoon(t, func() { token("tokens/two")(t, sts) })
}

// TestProfile_FilesThatItNamesNoLongerAreNotWatched changes which file the profile in use names.
func TestProfile_FilesThatItNamesNoLongerAreNotWatched(t *testing.T) {
	sts := startAWS(t)
	for _, file := range []string{"one", "three"} {
		testutil.Write(t, "tokens/"+file, "wrong "+file)
	}
	testutil.Write(t, ".aws/config", webIdentity("a", "tokens/one"))
	configure(t, "a")
	d := start(t)
	d.wantFailure(t, `profile "a"`)

	testutil.Write(t, ".aws/config", webIdentity("a", "tokens/three"))
	testutil.Eventually(t, "the new file is read", func() bool { return lastToken(sts) == "wrong three" })
	calls := sts.Calls("AssumeRoleWithWebIdentity")
	testutil.Write(t, "tokens/three", "wrong again")
	testutil.Eventually(t, "the new file is watched", func() bool { return lastToken(sts) == "wrong again" })
	testutil.Write(t, "tokens/one", "changed, but named no longer")
	testutil.Write(t, "tokens/three", "wrong as ever")
	testutil.Eventually(t, "the new file is watched still", func() bool { return lastToken(sts) == "wrong as ever" })
	if got := sts.Calls("AssumeRoleWithWebIdentity"); got != calls+2 {
		t.Errorf("%d calls, want 2", got-calls)
	}
	if got := goroutines("filewatch.(*watcher).run"); got != 2 {
		t.Errorf("%d watchers, want 2", got)
	}
}

// lastToken is the web identity that STS was last asked to take.
func lastToken(sts *stsfake.Server) string {
	requests := sts.Requests()
	return requests[len(requests)-1].Form.Get("WebIdentityToken")
}
