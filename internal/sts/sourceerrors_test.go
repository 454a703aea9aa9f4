package sts

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// failure is what a *credentials.Error says.
type failure struct {
	code, message string
	temporary     bool
}

// failureOf fails the test unless err is a *credentials.Error.
func failureOf(t *testing.T, err error) failure {
	t.Helper()
	e, ok := errors.AsType[*credentials.Error](err)
	if !ok {
		t.Fatalf("got %v, want a *credentials.Error", err)
	}
	return failure{e.Code, e.Message, e.Temporary}
}

// expectFailure compares err with a failure.
func expectFailure(t *testing.T, err error, want failure) {
	t.Helper()
	if got := failureOf(t, err); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// failingSource is a source of credentials that fails, and the error that Retrieve returns.
type failingSource struct {
	name      string
	prepare   func(t *testing.T, w *sources) // may be nil
	profile   string                         // Spec.Profile; "default" unless given
	noProfile bool                           // Spec.Profile is ""
	ahead     time.Duration                  // of this machine's clock
	timeout   time.Duration                  // 2 s unless given
	// In want, DIR stands for the directory of the profile files, CACHE for that of SSO, ADDRESS for closedPort, SECONDS for
	// a Unix time and NOW for the time.
	want failure
}

func (f failingSource) run(t *testing.T) {
	w := newSources(t)
	if f.prepare != nil {
		f.prepare(t, w)
	}
	spec := roleSpec()
	if f.profile != "" || f.noProfile {
		spec.Profile = f.profile
	}
	var log bytes.Buffer
	now := time.Now().Add(f.ahead)
	a := New(spec, Options{Log: debugLog(&log), Now: func() time.Time { return now }})
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(f.timeout, 2*time.Second))
	defer cancel()
	_, err := a.Retrieve(ctx)
	got := failureOf(t, err)
	got.message = unixTime.ReplaceAllString(got.message, "SECONDS")
	for _, name := range [][2]string{{w.cache, "CACHE"}, {w.dir, "DIR"}, {os.Getenv("ADDRESS"), "ADDRESS"}, {now.UTC().Format(time.RFC3339), "NOW"}} {
		if name[0] != "" {
			got.message = strings.ReplaceAll(got.message, name[0], name[1])
		}
	}
	if got != f.want {
		t.Errorf("got  %+v\nwant %+v", got, f.want)
	}
	w.noSecrets(t, err.Error()+log.String())
}

// closedPort returns the URL of a port that nothing listens on, and sets ADDRESS.
func closedPort(t *testing.T) string {
	t.Helper()
	addr := testutil.FreeAddr(t)
	t.Setenv("ADDRESS", addr)
	return "http://" + addr
}

func TestRetrieve_ProfileErrors(t *testing.T) {
	for _, tt := range []failingSource{
		{
			name: "missing source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = none\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" has source_profile "none" (DIR/config:4), which is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or fix that line`, false},
		},
		{
			name: "wrong key in the source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", stsfake.Key{AccessKeyID: w.key.AccessKeyID, SecretAccessKey: "hunter2hunter2"}))
			},
			want: failure{credentials.CodeProfile, `the secret key of profile "default" is wrong (SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.); fix it (aws configure --profile default)`, false},
		},
		{
			name: "second role of a chain denied",
			prepare: func(t *testing.T, w *sources) {
				w.AddRole(midRole, stsfake.Callers("999999999999"))
				w.config(t, "[default]\n"+assumesMid+"source_profile = first\n[profile first]\n"+assumesBase+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
			},
			want: failure{credentials.CodeUnauthorized, `profile "default" may not assume the role that it names itself (AccessDenied: User: arn:aws:sts::123456789012:assumed-role/base/base is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/mid)`, false},
		},
		{
			name: "unknown credential_source",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Vault\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: credential_source values must be EcsContainer, Ec2InstanceMetadata, or Environment; fix it in DIR/config:4`, false},
		},
		{
			name: "missing files elsewhere",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_CONFIG_FILE", filepath.Join(w.dir, "other"))
				t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(w.dir, "others"))
			},
			want: failure{credentials.CodeProfile, `profile "default" is in neither of DIR/other, DIR/others; create it (aws configure --profile default) or name another one in credentials.source_profile`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestRetrieve_EnvironmentErrors(t *testing.T) {
	for _, tt := range []failingSource{
		{
			name: "credential_source Environment without keys",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Environment\n")
			},
			want: failure{credentials.CodeFailed, `profile "default" cannot make the call: failed to refresh cached credentials, operation error STS: AssumeRole, get identity: get credentials: static credentials are empty`, false},
		},
		{
			name: "credential_source Environment with expired keys",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Environment\n")
				w.environment(t)
				w.Fail(stsfake.ExpiredToken)
			},
			want: failure{credentials.CodeProfile, `the credentials of profile "default" are wrong or expired (ExpiredToken: The security token included in the request is expired); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name:      "no credentials at all",
			prepare:   func(*testing.T, *sources) {},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `profile "default" holds no credentials; add keys (aws configure), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon`, false},
		},
		{
			name: "access key without secret key",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_ACCESS_KEY_ID", w.key.AccessKeyID)
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY; set both, or neither`, false},
		},
		{
			name: "access key without secret key, and a profile",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_ACCESS_KEY_ID", w.key.AccessKeyID)
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY; set both, or neither`, false},
		},
		{
			name: "denied role of the default profile, and a web identity",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nrole_arn = arn:aws:iam::123456789012:role/none\nsource_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
			},
			noProfile: true,
			want:      failure{credentials.CodeUnauthorized, `profile "default" may not assume the role that it names itself (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/none)`, false},
		},
		{
			name: "unknown access key",
			prepare: func(t *testing.T, w *sources) {
				w.environment(t)
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN0UNKNOWN0")
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `the credentials of the environment are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure, or aws sso login)`, false},
		},
		{
			name:      "AWS_PROFILE: missing profile",
			prepare:   func(t *testing.T, _ *sources) { t.Setenv("AWS_PROFILE", "work") },
			noProfile: true,
			want:      failure{credentials.CodeProfile, `profile "work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile work) or name another one in credentials.source_profile`, false},
		},
		{
			name: "AWS_PROFILE: wrong key",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("work", stsfake.Key{AccessKeyID: w.key.AccessKeyID, SecretAccessKey: "hunter2hunter2"}))
				t.Setenv("AWS_PROFILE", "work")
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `the secret key of profile "work" (AWS_PROFILE) is wrong (SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.); fix it (aws configure)`, false},
		},
		{
			name: "AWS_PROFILE: no SSO login",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile work]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
				t.Setenv("AWS_PROFILE", "work")
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `profile "work" (AWS_PROFILE) has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile work`, false},
		},
		{
			name: "web identity without a role",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
			},
			noProfile: true,
			want:      failure{credentials.CodeProfile, `the environment cannot be used: role ARN is not set; fix it in DIR/config or DIR/credentials`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestRetrieve_ContainerErrors(t *testing.T) {
	text := func(status int, contentType, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", contentType)
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	ecs := func(answer func(w *sources) http.HandlerFunc) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
			w.container(t, answer(w))
		}
	}
	for _, tt := range []failingSource{
		{
			name: "no endpoint",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: EcsContainer was specified as the credential_source, but neither 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' or AWS_CONTAINER_CREDENTIALS_FULL_URI' was set; fix it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "endpoint on another machine",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://user:hunter2@192.0.2.1/role")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: invalid endpoint host, "192.0.2.1", only loopback/ecs/eks hosts are allowed; fix it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "wrong token",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				w.container(t, nil)
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer hunter2-that-is-wrong")
			},
			want: failure{credentials.CodeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name:    "internal error",
			timeout: time.Minute, // the SDK tries three times
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusInternalServerError, "text/plain", "try again\nlater")
			}),
			want: failure{credentials.CodeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name: "answer without keys",
			prepare: ecs(func(w *sources) http.HandlerFunc {
				return text(http.StatusOK, "application/json", w.printed(map[string]any{"AccessKeyId": nil, "SecretAccessKey": nil}))
			}),
			want: failure{credentials.CodeProfile, `the credentials of profile "default" are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name: "answer that is not JSON",
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusOK, "application/json", "hunter2hunter2")
			}),
			want: failure{credentials.CodeFailed, `the credential source of profile "default" sent an unreadable or truncated answer; check for a proxy or a login page in between`, true},
		},
		{
			name: "error page with secrets",
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusForbidden, "text/html", "<html>forbidden: "+containerToken+"</html>")
			}),
			want: failure{credentials.CodeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name:    "connection refused",
			timeout: time.Minute, // the SDK tries three times
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", closedPort(t)+"/role")
			},
			want: failure{credentials.CodeFailed, `the credential source of profile "default" cannot be reached: dial tcp ADDRESS: connect: connection refused; check the network`, true},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestRetrieve_WebIdentityErrors(t *testing.T) {
	web := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			edit(t, w)
			w.config(t, "[default]\n"+assumesBase+"web_identity_token_file = "+w.webFile+"\n")
		}
	}
	for _, tt := range []failingSource{
		{
			name:    "missing file",
			prepare: web(func(_ *testing.T, w *sources) { w.webFile += ".none" }),
			want:    failure{credentials.CodeProfile, `the web identity token of profile "default" cannot be read (DIR/token.none: no such file or directory); create the file, or fix web_identity_token_file or AWS_WEB_IDENTITY_TOKEN_FILE`, false},
		},
		{
			name:    "empty file",
			prepare: web(func(t *testing.T, w *sources) { w.write(t, "token", "") }),
			want:    failure{credentials.CodeProfile, `STS refuses the web identity of profile "default" (ValidationError: 1 validation error detected: Value '' at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name:    "unknown identity provider",
			prepare: web(func(t *testing.T, w *sources) { w.write(t, "token", "hunter2hunter2") }),
			want:    failure{credentials.CodeProfile, `STS refuses the web identity of profile "default" (InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.example.com); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name:    "expired token",
			prepare: web(func(_ *testing.T, w *sources) { w.ExpireWebIdentity(w.webToken) }),
			want:    failure{credentials.CodeProfile, `STS refuses the web identity of profile "default" (ExpiredTokenException: Token expired: current date/time SECONDS must be before the expiration date/time SECONDS); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name: "token for another role",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesMid+"web_identity_token_file = "+w.webFile+"\n")
			},
			want: failure{credentials.CodeProfile, `STS refuses the web identity of profile "default" (AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name: "no role_arn",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nweb_identity_token_file = "+w.webFile+"\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: web_identity_token_file needs role_arn; fix it in DIR/config:2`, false},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestRetrieve_CredentialProcessErrors(t *testing.T) {
	process := func(script string, extra map[string]any) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\n"+w.process(t, script, w.printed(extra)))
		}
	}
	for _, tt := range []failingSource{
		{
			name:    "output without keys",
			prepare: process("cat JSON", map[string]any{"AccessKeyId": nil, "SecretAccessKey": nil}),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "output without secret key",
			prepare: process("cat JSON", map[string]any{"SecretAccessKey": nil}),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "output of another version",
			prepare: process("cat JSON", map[string]any{"Version": 2}),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "output around the JSON",
			prepare: process("echo logged in; cat JSON", nil),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "malformed expiry",
			prepare: process("cat JSON", map[string]any{"Expiration": "hunter2"}),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "exit status 1",
			prepare: process("cat JSON; exit 1", nil),
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name: "missing command",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\ncredential_process = /no/such/command --token hunter2\n")
			},
			want: failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name: "expired credentials",
			prepare: func(t *testing.T, w *sources) {
				process("cat JSON", map[string]any{"Expiration": "2020-01-01T00:00:00Z"})(t, w)
				w.Fail(stsfake.ExpiredToken)
			},
			want: failure{credentials.CodeProfile, `the credentials of profile "default" are wrong or expired (ExpiredToken: The security token included in the request is expired); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name:    "too slow",
			prepare: process("sleep 3; cat JSON", nil),
			want:    failure{credentials.CodeFailed, `the credential source of profile "default" did not answer in time; if it is a credential_process, run its command by hand to see why, else check the network`, true},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}
