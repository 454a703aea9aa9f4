package sts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestProfile_StepsShareOneRunOfTheSource(t *testing.T) {
	ahead := 3 * time.Minute
	sts := stsfake.Start(t, stsfake.WithNow(func() time.Time { return time.Now().Add(ahead) }))
	key := sts.AddUser("developer")
	sts.AddRole(roleARN)
	dir := home(t, sts, "", "")
	counter, script := filepath.Join(dir, "runs"), filepath.Join(dir, "process")
	testutil.Write(t, script, fmt.Sprintf("echo run >> %s\necho '{\"Version\": 1, \"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"%s\"}'\n",
		counter, key.AccessKeyID, key.SecretAccessKey))
	testutil.Write(t, filepath.Join(dir, "config"), "[default]\ncredential_process = /bin/sh "+script+"\n")

	p, err := provider(roleSpec()).Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Name(), `profile "default"`; got != want {
		t.Errorf("named %s, want %s", got, want)
	}
	if _, err := os.Stat(counter); err == nil {
		t.Error("reading the profile runs its process")
	}
	if got, err := p.Source(t.Context()); got != (Source{Kind: "credential_process"}) || err != nil {
		t.Errorf("source %+v, %v", got, err)
	}
	id, err := p.Identity(t.Context())
	if off := id.Time.Sub(time.Now().Add(ahead)); id.ARN != key.UserARN || err != nil || off.Abs() > 30*time.Second {
		t.Errorf("identity %+v, %v; the time is %v off", id, err, off)
	}
	if c, err := p.Issue(t.Context()); err != nil || c.ARN != sessionARN {
		t.Errorf("issued %v, %v", c, err)
	}
	if runs, _ := os.ReadFile(counter); string(runs) != "run\n" {
		t.Errorf("the process was run %d times, want 1", strings.Count(string(runs), "run"))
	}
}

func TestProfile_NoVerbShowsKeys(t *testing.T) {
	sts := stsfake.Start(t)
	home(t, sts, "", keys("default", sts.AddUser("developer")))
	p, err := provider(roleSpec()).Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Source(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, value := range []any{p, *p} {
			if got, want := fmt.Sprintf(verb, value), `profile "default" [redacted]`; got != want {
				t.Errorf("%s prints %q, want %q", verb, got, want)
			}
		}
	}
}

func TestProfile_SourceNamesItsKind(t *testing.T) {
	expires := time.Now().Add(40 * time.Minute).UTC().Truncate(time.Second)
	document := fmt.Sprintf(`{"Version": 1, "AccessKeyId": "ASIAOWN", "SecretAccessKey": "s", "SessionToken": "t", "Token": "t", "Code": "Success", "Expiration": "%s"}`,
		expires.Format(time.RFC3339))
	for _, tt := range []struct {
		name     string
		config   string // DIR stands for the directory of the profile files
		profile  string // "default" if empty; "none" for none
		prepare  func(t *testing.T, dir string, sts *stsfake.Server, key stsfake.Key)
		wantKind string // DIR likewise
		noExpiry bool
	}{
		{name: "keys", profile: "keys", wantKind: "keys in DIR/credentials", noExpiry: true},
		{
			name: "environment", profile: "none", wantKind: "keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", noExpiry: true,
			prepare: func(t *testing.T, _ string, _ *stsfake.Server, key stsfake.Key) {
				t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
				t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
			},
		},
		{name: "process", config: "[default]\ncredential_process = /bin/echo '" + document + "'\n", wantKind: "credential_process"},
		{
			name: "chain", config: "[default]\nrole_arn = " + roleARN + "\nsource_profile = keys\n", wantKind: "the role that the profile assumes (role_arn)",
			prepare: func(_ *testing.T, _ string, sts *stsfake.Server, _ stsfake.Key) { sts.AddRole(roleARN) },
		},
		{
			name: "web identity", config: "[default]\nrole_arn = " + roleARN + "\nweb_identity_token_file = DIR/token\n", wantKind: "a web identity",
			prepare: func(t *testing.T, dir string, sts *stsfake.Server, _ stsfake.Key) {
				sts.AddRole(roleARN)
				sts.AddWebIdentity("the-token", roleARN)
				testutil.Write(t, filepath.Join(dir, "token"), "the-token")
			},
		},
		{
			name: "SSO", wantKind: "SSO",
			config: "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = " +
				stsfake.SSORegion + "\nsso_start_url = " + stsfake.SSOStartURL + "\n",
			prepare: func(t *testing.T, dir string, sts *stsfake.Server, _ stsfake.Key) {
				t.Setenv("AWS_ENDPOINT_URL_SSO", sts.URL())
				sts.AddPermissionSet("123456789012", "r")
				if _, err := sts.LoginSSO("developer").WriteSession(filepath.Join(dir, "sso/cache"), "s"); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "container", profile: "none", wantKind: "the container credentials service",
			prepare: func(t *testing.T, _ string, _ *stsfake.Server, _ stsfake.Key) {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(document)) }))
				t.Cleanup(s.Close)
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.URL)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := stsfake.Start(t)
			key := sts.AddUser("developer")
			dir := home(t, sts, "", keys("keys", key))
			testutil.Write(t, filepath.Join(dir, "config"), strings.ReplaceAll(tt.config, "DIR", dir))
			if tt.prepare != nil {
				tt.prepare(t, dir, sts, key)
			}
			spec := roleSpec()
			switch tt.profile {
			case "":
			case "none":
				spec.Profile = ""
			default:
				spec.Profile = tt.profile
			}
			p, err := provider(spec).Profile(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Source(t.Context())
			if want := strings.Replace(tt.wantKind, "DIR", dir, 1); got.Kind != want || err != nil || got.Expires.IsZero() != tt.noExpiry {
				t.Errorf("source %+v, %v; want %s, without expiry %v", got, err, want, tt.noExpiry)
			}
		})
	}
}

// identityFailure calls GetCallerIdentity, which must fail.
func identityFailure(t *testing.T) failure {
	t.Helper()
	p, err := provider(roleSpec()).Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Identity(t.Context())
	return failureOf(t, err)
}

func TestProfile_IdentityErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault stsfake.Fault
		want  failure
	}{
		{
			"denied",
			stsfake.Fault{Status: 403, Code: "AccessDenied", Message: "no"},
			failure{credentials.CodeUnauthorized, `STS does not tell profile "default" who it is (AccessDenied: no); no IAM policy can deny that, but a VPC endpoint policy can`, false},
		},
		{
			"unknown action",
			stsfake.Fault{Code: "InvalidAction", Message: "no"},
			failure{credentials.CodeFailed, `GetCallerIdentity with profile "default" was refused (InvalidAction: no); if AWS_ENDPOINT_URL_STS is set, check that it is an STS`, false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sts := stsfake.Start(t)
			sts.Fail(tt.fault)
			home(t, sts, "", keys("default", sts.AddUser("developer")))
			if got := identityFailure(t); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestProfile_IdentityWithoutARNIsAnError(t *testing.T) {
	blank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"))
	}))
	defer blank.Close()
	home(t, nil, "", keys("default", stsfake.New().AddUser("developer")))
	t.Setenv("AWS_ENDPOINT_URL_STS", blank.URL)
	want := "STS answered without an identity; if AWS_ENDPOINT_URL_STS is set, check that it is an STS"
	if got := identityFailure(t).message; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
