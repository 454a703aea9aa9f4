package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

func TestSourceErrors(t *testing.T) {
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
	web := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			edit(t, w)
			w.config(t, "[default]\n"+assumesBase+"web_identity_token_file = "+w.webFile+"\n")
		}
	}
	sso := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
			edit(t, w)
		}
	}
	legacy := func(edit func(t *testing.T, w *sources)) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\n"+ssoLegacy)
			edit(t, w)
		}
	}
	process := func(script string, extra map[string]any) func(*testing.T, *sources) {
		return func(t *testing.T, w *sources) {
			w.config(t, "[default]\n"+w.process(t, script, w.printed(extra)))
		}
	}
	closed := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		t.Setenv("ADDRESS", l.Addr().String())
		return "http://" + l.Addr().String()
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, w *sources)
		noName  bool
		wait    time.Duration // 2 s unless given
		want    Error         // DIR stands for the folder of the profile files, CACHE for that of SSO, ADDRESS for a closed port, SECONDS for a time
	}{
		{
			name: "source_profile that is not there",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = none\n")
			},
			want: Error{codeProfile, `profile "none" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile none) or name another one in credentials.source_profile`, false},
		},
		{
			name: "key of the source_profile wrong",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", stsfake.Key{AccessKeyID: w.key.AccessKeyID, SecretAccessKey: "hunter2hunter2"}))
			},
			want: Error{codeProfile, `the secret key of profile "default" is wrong (SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.); put it right (aws configure --profile default)`, false},
		},
		{
			name: "second role of a chain denied",
			prepare: func(t *testing.T, w *sources) {
				w.AddRole(midRole, stsfake.Callers("999999999999"))
				w.config(t, "[default]\n"+assumesMid+"source_profile = first\n[profile first]\n"+assumesBase+"source_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
			},
			want: Error{codeUnauthorized, `profile "default" may not assume the role that it names itself (AccessDenied: User: arn:aws:sts::123456789012:assumed-role/base/base is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/mid)`, false},
		},
		{
			name: "unknown credential_source",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Vault\n")
			},
			want: Error{codeProfile, `profile "default" cannot be used: credential_source values must be EcsContainer, Ec2InstanceMetadata, or Environment; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "Environment without keys",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Environment\n")
			},
			want: Error{codeFailed, `profile "default" cannot make the call: failed to refresh cached credentials, operation error STS: AssumeRole, get identity: get credentials: static credentials are empty`, false},
		},
		{
			name: "Environment with expired keys",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = Environment\n")
				w.environment(t)
				w.Fail(stsfake.ExpiredToken)
			},
			want: Error{codeProfile, `the credentials of profile "default" are wrong or expired (ExpiredToken: The security token included in the request is expired); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name: "EcsContainer without an endpoint",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
			},
			want: Error{codeProfile, `profile "default" cannot be used: EcsContainer was specified as the credential_source, but neither 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI' or AWS_CONTAINER_CREDENTIALS_FULL_URI' was set; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "EcsContainer elsewhere than on this machine",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://user:hunter2@192.0.2.1/role")
			},
			want: Error{codeProfile, `profile "default" cannot be used: invalid endpoint host, "192.0.2.1", only loopback/ecs/eks hosts are allowed; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "EcsContainer with the wrong token",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				w.container(t, nil)
				t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer hunter2-that-is-wrong")
			},
			want: Error{codeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name: "EcsContainer fails",
			wait: time.Minute, // the SDK tries three times
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusInternalServerError, "text/plain", "try again\nlater")
			}),
			want: Error{codeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name: "EcsContainer answers without keys",
			prepare: ecs(func(w *sources) http.HandlerFunc {
				return text(http.StatusOK, "application/json", w.printed(map[string]any{"AccessKeyId": nil, "SecretAccessKey": nil}))
			}),
			want: Error{codeProfile, `the credentials of profile "default" are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name: "EcsContainer answers no JSON",
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusOK, "application/json", "hunter2hunter2")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from gave an answer that cannot be read, or half of one; check what is in between (a proxy, a login page)`, true},
		},
		{
			name: "EcsContainer refuses with a page that tells secrets",
			prepare: ecs(func(*sources) http.HandlerFunc {
				return text(http.StatusForbidden, "text/html", "<html>forbidden: "+containerToken+"</html>")
			}),
			want: Error{codeFailed, `the container credentials service that profile "default" uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log`, true},
		},
		{
			name: "EcsContainer cannot be reached",
			wait: time.Minute, // the SDK tries three times
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"credential_source = EcsContainer\n")
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", closed(t)+"/role")
			},
			want: Error{codeFailed, `what profile "default" gets its credentials from cannot be reached: dial tcp ADDRESS: connect: connection refused; check the network`, true},
		},
		{
			name:    "web identity without its file",
			prepare: web(func(_ *testing.T, w *sources) { w.webFile += ".none" }),
			want:    Error{codeProfile, `the web identity token of profile "default" cannot be read (DIR/token.none: no such file or directory); put it there, or mend web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE`, false},
		},
		{
			name:    "web identity with an empty file",
			prepare: web(func(t *testing.T, w *sources) { w.write(t, "token", "") }),
			want:    Error{codeProfile, `STS refuses the web identity of profile "default" (ValidationError: 1 validation error detected: Value '' at 'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name:    "web identity nobody vouches for",
			prepare: web(func(t *testing.T, w *sources) { w.write(t, "token", "hunter2hunter2") }),
			want:    Error{codeProfile, `STS refuses the web identity of profile "default" (InvalidIdentityToken: No OpenIDConnect provider found in your account for https://oidc.example.com); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name:    "web identity expired",
			prepare: web(func(_ *testing.T, w *sources) { w.ExpireWebIdentity(w.webToken) }),
			want:    Error{codeProfile, `STS refuses the web identity of profile "default" (ExpiredTokenException: Token expired: current date/time SECONDS must be before the expiration date/time SECONDS); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name: "web identity for another role",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesMid+"web_identity_token_file = "+w.webFile+"\n")
			},
			want: Error{codeProfile, `STS refuses the web identity of profile "default" (AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn`, false},
		},
		{
			name: "web identity without a role",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nweb_identity_token_file = "+w.webFile+"\n")
			},
			want: Error{codeProfile, `profile "default" cannot be used: credential type web_identity_token_file requires role_arn, profile default; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name:    "SSO without login",
			prepare: sso(func(*testing.T, *sources) {}),
			want:    Error{codeProfile, `profile "default" has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile default`, false},
		},
		{
			name: "aws login, never",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nlogin_session = arn:aws:iam::123456789012:user/me\n")
			},
			want: Error{codeProfile, `the login of profile "default" cannot be used (token file not found); run: aws login --profile default`, false},
		},
		{
			name: "SSO of the source_profile without login",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\n"+assumesBase+"source_profile = sso\n[profile sso]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
			},
			want: Error{codeProfile, `profile "default" has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile sso`, false},
		},
		{
			name: "SSO expired, nothing to refresh by",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				l := w.login
				l.RefreshToken = ""
				if _, err := l.WriteSession(w.cache, "corp"); err != nil {
					t.Fatal(err)
				}
			}),
			want: Error{codeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "SSO expired and revoked",
			prepare: sso(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
			}),
			want: Error{codeProfile, `the SSO session of profile "default" cannot be renewed (InvalidGrantException); run: aws sso login --profile default`, false},
		},
		{
			name: "SSO expired, client registration gone",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.login.ClientSecret = "hunter2hunter2"
				w.loggedIn(t)
			}),
			want: Error{codeProfile, `the SSO session of profile "default" cannot be renewed (InvalidClientException); run: aws sso login --profile default`, false},
		},
		{
			name: "SSO revoked",
			prepare: sso(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				w.loggedIn(t)
			}),
			want: Error{codeProfile, `the SSO session of profile "default" has ended (UnauthorizedException: Session token not found or invalid); run: aws sso login --profile default`, false},
		},
		{
			name: "SSO without the permission set",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Admin\n"+ssoSessionCorp)
				w.loggedIn(t)
			},
			want: Error{codeProfile, `SSO gives profile "default" no credentials (ForbiddenException: No access); check sso_account_id and sso_role_name`, false},
		},
		{
			name:    "SSO session that is not there",
			prepare: func(t *testing.T, w *sources) { w.config(t, "[default]\nsso_session = corp\n"+ssoRole) },
			want:    Error{codeProfile, `profile "default" cannot be used: failed to find SSO session section, corp; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "SSO cache that is none",
			prepare: sso(func(t *testing.T, w *sources) {
				if err := os.WriteFile(w.loggedIn(t), []byte(`{"accessToken": "hunter2`), 0o600); err != nil {
					t.Fatal(err)
				}
			}),
			want: Error{codeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "SSO throttled",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 429, Code: "TooManyRequestsException", Message: "HTTP 429 Unknown Code"}, "GetRoleCredentials")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from is failing (TooManyRequestsException: HTTP 429 Unknown Code); trying again`, true},
		},
		{
			name: "SSO fails",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Fail(stsfake.InternalFailure, "GetRoleCredentials")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from is failing (InternalFailure: The request processing has failed because of an unknown error, exception or failure.); trying again`, true},
		},
		{
			name: "SSO refresh fails",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 500, Code: "InternalServerException", Message: "oops"}, "CreateToken")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from is failing (InternalServerException); trying again`, true},
		},
		{
			name: "SSO refresh asked too often",
			prepare: sso(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				w.loggedIn(t)
				w.Fail(stsfake.Fault{Status: 400, Code: "SlowDownException", Message: "slow down"}, "CreateToken")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from is failing (SlowDownException); trying again`, true},
		},
		{
			name: "SSO hangs",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				w.Hang("GetRoleCredentials")
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from gave no answer in time; if it is a credential_process, run its command by hand to see why, else check the network`, true},
		},
		{
			name: "SSO cannot be reached",
			prepare: sso(func(t *testing.T, w *sources) {
				w.loggedIn(t)
				t.Setenv("AWS_ENDPOINT_URL_SSO", closed(t))
			}),
			want: Error{codeFailed, `what profile "default" gets its credentials from cannot be reached: dial tcp ADDRESS: connect: connection refused; check the network`, true},
		},
		{
			name:    "legacy SSO without login",
			prepare: legacy(func(*testing.T, *sources) {}),
			want:    Error{codeProfile, `profile "default" has no SSO session (CACHE/9e104e67bc03709422c341f8e7b917448969b3a1.json: no such file or directory); run: aws sso login --profile default`, false},
		},
		{
			name: "legacy SSO expired",
			prepare: legacy(func(t *testing.T, w *sources) {
				w.login = w.ExpireSSO(w.login)
				if _, err := w.login.WriteLegacy(w.cache); err != nil {
					t.Fatal(err)
				}
			}),
			want: Error{codeProfile, `the SSO session of profile "default" has expired; run: aws sso login --profile default`, false},
		},
		{
			name: "legacy SSO revoked",
			prepare: legacy(func(t *testing.T, w *sources) {
				w.RevokeSSO(w.login)
				if _, err := w.login.WriteLegacy(w.cache); err != nil {
					t.Fatal(err)
				}
			}),
			want: Error{codeProfile, `the SSO session of profile "default" has ended (UnauthorizedException: Session token not found or invalid); run: aws sso login --profile default`, false},
		},
		{
			name: "legacy SSO, half configured",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_start_url = https://x.awsapps.com/start\n")
			},
			want: Error{codeProfile, `profile "default" cannot be used: profile "default" is configured to use SSO but is missing required configuration: sso_region, sso_account_id, sso_role_name; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name:    "credential_process prints no keys",
			prepare: process("cat JSON", map[string]any{"AccessKeyId": nil, "SecretAccessKey": nil}),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process prints no secret key",
			prepare: process("cat JSON", map[string]any{"SecretAccessKey": nil}),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process of another version",
			prepare: process("cat JSON", map[string]any{"Version": 2}),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process prints more than JSON",
			prepare: process("echo logged in; cat JSON", nil),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process prints an expiry that is none",
			prepare: process("cat JSON", map[string]any{"Expiration": "hunter2"}),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process fails",
			prepare: process("cat JSON; exit 1", nil),
			want:    Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name: "credential_process is not there",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\ncredential_process = /no/such/command --token hunter2\n")
			},
			want: Error{codeProfile, `profile "default": its credential_process failed or printed something else than credentials; run the command by hand to see why`, false},
		},
		{
			name: "credential_process prints what has expired",
			prepare: func(t *testing.T, w *sources) {
				process("cat JSON", map[string]any{"Expiration": "2020-01-01T00:00:00Z"})(t, w)
				w.Fail(stsfake.ExpiredToken)
			},
			want: Error{codeProfile, `the credentials of profile "default" are wrong or expired (ExpiredToken: The security token included in the request is expired); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name:    "credential_process too slow",
			prepare: process("sleep 3; cat JSON", nil),
			want:    Error{codeFailed, `what profile "default" gets its credentials from gave no answer in time; if it is a credential_process, run its command by hand to see why, else check the network`, true},
		},
		{
			name:    "no profile named, nothing",
			prepare: func(*testing.T, *sources) {},
			noName:  true,
			want:    Error{codeProfile, `profile "default" holds no credentials; add keys (aws configure), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon`, false},
		},
		{
			name: "no profile named, half a key in the environment",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_ACCESS_KEY_ID", w.key.AccessKeyID)
			},
			noName: true,
			want:   Error{codeProfile, `the environment holds no credentials; add keys (aws configure), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon`, false},
		},
		{
			name: "no profile named, wrong key in the environment",
			prepare: func(t *testing.T, w *sources) {
				w.environment(t)
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN0UNKNOWN0")
			},
			noName: true,
			want:   Error{codeProfile, `the credentials of the environment are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure, or aws sso login)`, false},
		},
		{
			name:    "no profile named, AWS_PROFILE that is not there",
			prepare: func(t *testing.T, _ *sources) { t.Setenv("AWS_PROFILE", "work") },
			noName:  true,
			want:    Error{codeProfile, `profile "work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile work) or name another one in credentials.source_profile`, false},
		},
		{
			name: "no profile named, AWS_PROFILE with a wrong key",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("work", stsfake.Key{AccessKeyID: w.key.AccessKeyID, SecretAccessKey: "hunter2hunter2"}))
				t.Setenv("AWS_PROFILE", "work")
			},
			noName: true,
			want:   Error{codeProfile, `the secret key of profile "work" (AWS_PROFILE) is wrong (SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.); put it right (aws configure)`, false},
		},
		{
			name: "no profile named, AWS_PROFILE without SSO login",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile work]\nsso_session = corp\n"+ssoRole+ssoSessionCorp)
				t.Setenv("AWS_PROFILE", "work")
			},
			noName: true,
			want:   Error{codeProfile, `profile "work" (AWS_PROFILE) has no SSO session (CACHE/ee0bfd2552fbd840c02cc48b6e823320543c450f.json: no such file or directory); run: aws sso login --profile work`, false},
		},
		{
			name: "no profile named, web identity without a role",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", w.webFile)
			},
			noName: true,
			want:   Error{codeProfile, `the environment cannot be used: role ARN is not set; mend it in DIR/config or DIR/credentials`, false},
		},
		{
			name: "files elsewhere that are not there",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", keys("default", w.key))
				t.Setenv("AWS_CONFIG_FILE", filepath.Join(w.dir, "other"))
				t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(w.dir, "others"))
			},
			want: Error{codeProfile, `profile "default" is in neither of DIR/other, DIR/others; create it (aws configure --profile default) or name another one in credentials.source_profile`, false},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newSources(t)
			tt.prepare(t, w)
			spec := roleSpec()
			if tt.noName {
				spec.Profile = ""
			}
			var log bytes.Buffer
			a := NewSTS(spec, Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if tt.wait == 0 {
				tt.wait = 2 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), tt.wait)
			defer cancel()
			_, err := a.Retrieve(ctx)
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want an *Error", err)
			}
			plain := *got
			plain.Message = unixTime.ReplaceAllString(plain.Message, "SECONDS")
			for _, name := range [][2]string{{w.dir, "DIR"}, {w.cache, "CACHE"}, {os.Getenv("ADDRESS"), "ADDRESS"}} {
				if name[0] != "" {
					plain.Message = strings.ReplaceAll(plain.Message, name[0], name[1])
				}
			}
			if diff := cmp.Diff(tt.want, plain); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			w.noSecrets(t, err.Error()+log.String())
		})
	}
}

// TestUnwritableSSOCache has a login that could be renewed, but not kept: the folder is mounted read-only, say.
func TestUnwritableSSOCache(t *testing.T) {
	for _, err := range []*fs.PathError{
		{Op: "open", Path: "/home/.aws/sso/cache/x.json.tmp-1", Err: syscall.EACCES},
		{Op: "open", Path: "/home/.aws/sso/cache/x.json.tmp-1", Err: syscall.EROFS},
	} {
		got := provider(roleSpec()).describe(t.Context(), &sourceError{fmt.Errorf("refreshing: %w", err)})
		var e *Error
		want := `the SSO login of profile "default" cannot be renewed (/home/.aws/sso/cache/x.json.tmp-1: ` + err.Err.Error() +
			`); let the daemon's user write there, then run: aws sso login --profile default`
		if !errors.As(got, &e) || e.Message != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	}
}
