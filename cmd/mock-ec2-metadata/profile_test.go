package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/test/stsfake"
)

const (
	baseARN = "arn:aws:iam::123456789012:role/base"
	midARN  = "arn:aws:iam::123456789012:role/mid"
	// soon is how long a mended profile may take to be used.
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

// mendable is a fake AWS whose roles may be assumed, and a home that leads to it.
func mendable(t *testing.T) *stsfake.Server {
	t.Helper()
	isolate(t)
	sts := stsfake.Start(t)
	for _, variable := range []string{"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SSO_OIDC"} {
		t.Setenv(variable, sts.URL())
	}
	for _, role := range []string{roleARN, baseARN, midARN} {
		sts.AddRole(role)
	}
	return sts
}

// configure makes the configuration assume the role by a profile, none if it is "".
func configure(t *testing.T, profile string) {
	t.Helper()
	write(t, "conf/config.yaml", fmt.Sprintf("credentials: {source_profile: '%s', iam_role: '%s'}\n", profile, roleARN))
}

// wantFailure waits until /status tells that there are no credentials, and why.
func (d *running) wantFailure(t *testing.T, why string) {
	t.Helper()
	eventually(t, why, func() bool {
		s := d.status(t)
		return s.Credentials.State == "failed" && strings.Contains(s.Credentials.LastError, why)
	})
}

// wantSoon mends something, and expects a client to get credentials soon after.
func (d *running) wantSoon(t *testing.T, mend func()) {
	t.Helper()
	mend()
	for mended := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, body := d.get(t, "latest/meta-data/iam/security-credentials/myrole")
		if code == http.StatusOK && strings.Contains(body, `"Code" : "Success"`) {
			t.Logf("used after %v", time.Since(mended).Round(time.Millisecond))
			return
		}
		if time.Since(mended) > soon {
			t.Fatalf("not used within %v: %d %s\n%s", soon, code, body, d.logged())
		}
	}
}

// TestMendedProfile mends what a profile's credentials come from, in each of the ways that there are: no restart is needed.
func TestMendedProfile(t *testing.T) {
	for _, tt := range []struct {
		name, profile string
		wrong         func(t *testing.T, sts *stsfake.Server) // as it is at the start
		why           string                                  // there are no credentials
		right         func(t *testing.T, sts *stsfake.Server)
	}{
		{
			"edited key", "default",
			func(t *testing.T, sts *stsfake.Server) {
				key := sts.AddUser("developer")
				key.SecretAccessKey = "wrong"
				write(t, ".aws/credentials", profile(key))
			},
			`the secret key of profile "default" is wrong`,
			func(t *testing.T, sts *stsfake.Server) {
				write(t, ".aws/credentials", profile(sts.AddUser("developer")))
			},
		},
		{
			"first SSO login", "default",
			func(t *testing.T, _ *stsfake.Server) { write(t, ".aws/config", ssoConfig) },
			`profile "default" has no SSO session`,
			loginSSO,
		},
		{
			"SSO login after the end of one", "default",
			func(t *testing.T, sts *stsfake.Server) {
				write(t, ".aws/config", ssoConfig)
				loginSSO(t, sts)
				login := sts.LoginSSO("alice")
				sts.RevokeSSO(login)
				if _, err := login.WriteSession(".aws/sso/cache", "corp"); err != nil {
					t.Fatal(err)
				}
			},
			`the SSO session of profile "default" has ended`,
			loginSSO,
		},
		{
			"no web identity token", "pod",
			func(t *testing.T, _ *stsfake.Server) { write(t, ".aws/config", webIdentity("pod", "tokens/pod")) },
			`the web identity token of profile "pod" cannot be read`,
			token("tokens/pod"),
		},
		{
			"empty web identity token", "pod",
			func(t *testing.T, _ *stsfake.Server) {
				write(t, ".aws/config", webIdentity("pod", "tokens/pod"))
				write(t, "tokens/pod", "")
			},
			`STS refuses the web identity of profile "pod"`,
			token("tokens/pod"),
		},
		{
			"wrong web identity token two profiles away", "app",
			func(t *testing.T, _ *stsfake.Server) {
				write(t, ".aws/config", "[profile app]\nrole_arn = "+midARN+"\nsource_profile = via\n"+
					"[profile via]\nrole_arn = "+midARN+"\nsource_profile = pod\n"+webIdentity("pod", "tokens/pod"))
				write(t, "tokens/pod", "wrong")
			},
			`STS refuses the web identity of profile "app"`,
			token("tokens/pod"),
		},
		{
			"switched web identity token, as Kubernetes does it", "pod",
			func(t *testing.T, _ *stsfake.Server) {
				write(t, ".aws/config", webIdentity("pod", "tokens/pod"))
				write(t, "tokens/one/pod", "wrong")
				link(t, "one", "tokens/data")
				link(t, "data/pod", "tokens/pod")
			},
			`STS refuses the web identity of profile "pod"`,
			func(t *testing.T, sts *stsfake.Server) {
				token("tokens/two/pod")(t, sts)
				link(t, "two", "tokens/data")
			},
		},
		{
			"web identity token of the environment", "",
			func(t *testing.T, _ *stsfake.Server) {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "tokens/environment")
				t.Setenv("AWS_ROLE_ARN", baseARN)
				write(t, "tokens/environment", "wrong")
			},
			"STS refuses the web identity of the environment",
			token("tokens/environment"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := mendable(t)
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

// token puts a good web identity token into a file.
func token(file string) func(*testing.T, *stsfake.Server) {
	return func(t *testing.T, sts *stsfake.Server) {
		t.Helper()
		sts.AddWebIdentity("good", baseARN)
		write(t, file, "good")
	}
}

// link makes name a symbolic link, in place of what it was.
func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// TestWatchFollows has the profile in use, and the file that it names, become other ones: those are watched from then on.
func TestWatchFollows(t *testing.T) {
	sts := mendable(t)
	for _, file := range []string{"one", "two", "three"} {
		write(t, "tokens/"+file, "wrong "+file)
	}
	write(t, ".aws/config", webIdentity("a", "tokens/one")+webIdentity("b", "tokens/two"))
	configure(t, "a")
	d := start(t)
	d.wantFailure(t, `profile "a"`)

	configure(t, "b")
	d.wantFailure(t, `profile "b"`)
	d.wantSoon(t, func() { token("tokens/two")(t, sts) })

	configure(t, "a") // whose credentials these are stays the same
	sts.ExpireWebIdentity("good")
	write(t, ".aws/config", webIdentity("a", "tokens/three"))
	eventually(t, "the new file is read", func() bool { return lastToken(sts) == "wrong three" })
	calls := sts.Calls("AssumeRoleWithWebIdentity")
	write(t, "tokens/three", "wrong again")
	eventually(t, "the new file is watched", func() bool { return lastToken(sts) == "wrong again" })
	write(t, "tokens/one", "changed, but named no longer")
	write(t, "tokens/two", "changed, but named no longer")
	write(t, "tokens/three", "wrong as ever")
	eventually(t, "the new file is watched", func() bool { return lastToken(sts) == "wrong as ever" })
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
