package stsfake_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// ssoConfig has a profile with sso_session and one in the legacy format.
const ssoConfig = `[profile new]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = PowerUser
[profile old]
sso_start_url = ` + stsfake.SSOStartURL + `
sso_region = ` + stsfake.SSORegion + `
sso_account_id = 123456789012
sso_role_name = PowerUser
[sso-session corp]
sso_start_url = ` + stsfake.SSOStartURL + `
sso_region = ` + stsfake.SSORegion + `
`

// ssoHome isolates the test, writes ssoConfig and points the SDK at s. It returns the cache directory.
func ssoHome(t *testing.T, s *stsfake.Server) (cache string) {
	t.Helper()
	dir := filepath.Join(testutil.IsolateHome(t), ".aws")
	testutil.Write(t, filepath.Join(dir, "config"), ssoConfig)
	t.Setenv("AWS_ENDPOINT_URL_SSO", s.URL())
	t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", s.URL())
	return filepath.Join(dir, "sso", "cache")
}

// profile is the SDK's provider of a profile's credentials, without caches.
func profile(t *testing.T, name string) aws.CredentialsProvider {
	t.Helper()
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithSharedConfigProfile(name),
		awsconfig.WithRegion("eu-central-1"), awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Credentials
}

func TestSSO_SDKGetsCredentialsThatSTSAccepts(t *testing.T) {
	s := stsfake.Start(t)
	cache := ssoHome(t, s)
	role := s.AddPermissionSet("123456789012", "PowerUser")
	match(t, "role", `arn:aws:iam::123456789012:role/aws-reserved/sso\.amazonaws\.com/AWSReservedSSO_PowerUser_[0-9a-f]{16}`, role)
	if again := s.AddPermissionSet("123456789012", "PowerUser"); again != role {
		t.Errorf("the second call returns %s", again)
	}
	s.AddRole(appRole, stsfake.MaxSession(12*time.Hour), stsfake.Callers(role))
	login := s.LoginSSO("alice@example.com")

	for name, write := range map[string]func() (string, error){
		"new": func() (string, error) { return login.WriteSession(cache, "corp") },
		"old": func() (string, error) { return login.WriteLegacy(cache) },
	} {
		t.Run(name, func(t *testing.T) {
			file, err := write()
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			want := login
			if name == "old" {
				want.RefreshToken = ""
			}
			got, err := stsfake.ReadLogin(file)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("file (-want +got): %v\n%s", err, diff)
			}

			creds := profile(t, name)
			arn, err := whoami(t, client(s, creds))
			if err != nil {
				t.Fatal(err)
			}
			match(t, "caller", `arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_PowerUser_[0-9a-f]{16}/alice@example\.com`, arn)
			if c, _ := creds.Retrieve(t.Context()); time.Until(c.Expires) > time.Hour || time.Until(c.Expires) < 59*time.Minute {
				t.Errorf("expires %v", c.Expires)
			}
			_, err = assume(t, client(s, creds), sts.AssumeRoleInput{DurationSeconds: aws.Int32(3601)})
			wantFault(t, err, answer{Status: 400, Code: "ValidationError"}) // role chaining
			mustAssume(t, client(s, creds), sts.AssumeRoleInput{})
		})
	}
}

func TestSSO_SDKRefreshesAnExpiredLogin(t *testing.T) {
	s := stsfake.Start(t)
	cache := ssoHome(t, s)
	s.AddPermissionSet("123456789012", "PowerUser")
	first := s.ExpireSSO(s.LoginSSO("alice"))
	file, err := first.WriteSession(cache, "corp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := profile(t, "new").Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := stsfake.ReadLogin(file)
	if err != nil {
		t.Fatal(err)
	}
	if second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken {
		t.Error("the file still has the old tokens")
	}
	if left := time.Until(second.ExpiresAt); left > time.Hour || left < 59*time.Minute {
		t.Errorf("%v left", left)
	}
	second.AccessToken, second.RefreshToken, second.ExpiresAt = first.AccessToken, first.RefreshToken, first.ExpiresAt
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the rest of the file (-want +got):\n%s", diff)
	}
	if _, err := first.WriteSession(cache, "corp"); err != nil {
		t.Fatal(err)
	}
	_, err = profile(t, "new").Retrieve(t.Context())
	wantFault(t, err, answer{Status: 400, Code: "InvalidGrantException"}) // a refresh token can be used once
	if got, want := s.Calls("CreateToken"), 2; got != want {
		t.Errorf("%d calls of CreateToken, want %d", got, want)
	}
}

func TestSSO_Refusals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*stsfake.Server, *clock, stsfake.SSOLogin) stsfake.SSOLogin
		want    answer
	}{
		{
			name: "no such permission set",
			prepare: func(_ *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				return l
			},
			want: answer{403, "ForbiddenException", "No access"},
		},
		{
			name: "expired, but valid according to the file",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				s.ExpireSSO(l)
				return l
			},
			want: answer{401, "UnauthorizedException", "Session token not found or invalid"},
		},
		{
			name: "expired by the server's clock",
			prepare: func(_ *stsfake.Server, now *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				now.Add(time.Hour)
				return l
			},
			want: answer{401, "UnauthorizedException", "Session token not found or invalid"},
		},
		{
			name: "revoked",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				s.RevokeSSO(l)
				return l
			},
			want: answer{401, "UnauthorizedException", "Session token not found or invalid"},
		},
		{
			name: "expired and revoked",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				s.RevokeSSO(l)
				return s.ExpireSSO(l)
			},
			want: answer{400, "InvalidGrantException", ""},
		},
		{
			name: "expired, wrong client secret",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				l.ClientSecret += "x"
				return s.ExpireSSO(l)
			},
			want: answer{401, "InvalidClientException", ""},
		},
		{
			name: "expired, client of another login",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				other := s.LoginSSO("bob")
				l.ClientID, l.ClientSecret = other.ClientID, other.ClientSecret
				return s.ExpireSSO(l)
			},
			want: answer{400, "InvalidGrantException", ""},
		},
		{
			name: "expired client registration",
			prepare: func(s *stsfake.Server, now *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				l = s.ExpireSSO(l)
				now.Add(90 * 24 * time.Hour)
				return l
			},
			want: answer{401, "InvalidClientException", ""},
		},
		{
			name: "portal fails",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				s.Fail(stsfake.Fault{Status: 429, Code: "TooManyRequestsException", Message: "HTTP 429 Unknown Code"}, "GetRoleCredentials")
				return l
			},
			want: answer{429, "TooManyRequestsException", "HTTP 429 Unknown Code"},
		},
		{
			name: "OIDC service fails",
			prepare: func(s *stsfake.Server, _ *clock, l stsfake.SSOLogin) stsfake.SSOLogin {
				s.Fail(stsfake.InternalFailure, "CreateToken")
				return s.ExpireSSO(l)
			},
			want: answer{500, "InternalFailure", ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := newClock()
			s := stsfake.Start(t, stsfake.WithNow(now.Now))
			cache := ssoHome(t, s)
			if tt.want.Code != "ForbiddenException" {
				s.AddPermissionSet("123456789012", "PowerUser")
			}
			if _, err := tt.prepare(s, now, s.LoginSSO("alice")).WriteSession(cache, "corp"); err != nil {
				t.Fatal(err)
			}
			_, err := profile(t, "new").Retrieve(t.Context())
			wantFault(t, err, tt.want)
		})
	}
}

// The requests include some that no SDK sends.
func TestSSO_AnswersWithTheJSONOfTheServices(t *testing.T) {
	s := stsfake.Start(t)
	s.AddPermissionSet("123456789012", "PowerUser")
	l := s.LoginSSO("alice")
	grant := func(grantType string) string {
		return fmt.Sprintf(`{"clientId":%q,"clientSecret":%q,"grantType":%q,"refreshToken":%q,"scope":["x"]}`,
			l.ClientID, l.ClientSecret, grantType, l.RefreshToken)
	}
	const portal = "/federation/credentials?account_id=123456789012&role_name=PowerUser"
	for _, tt := range []struct {
		name   string
		method string
		path   string
		body   string
		status int
		fault  string         // x-amzn-errortype
		want   map[string]any // an empty value matches any
	}{
		{
			name: "portal by POST", method: http.MethodPost, path: portal, status: 404, fault: "UnknownOperationException",
			want: map[string]any{"message": "GET only", "__type": "com.amazonaws.switchboard.portal#UnknownOperationException"},
		},
		{
			name: "no role", method: http.MethodGet, path: "/federation/credentials?account_id=1", status: 400, fault: "InvalidRequestException",
			want: map[string]any{
				"message": "account_id, role_name and x-amz-sso_bearer_token are required",
				"__type":  "com.amazonaws.switchboard.portal#InvalidRequestException",
			},
		},
		{
			name: "token by GET", method: http.MethodGet, path: "/token", status: 404, fault: "UnknownOperationException",
			want: map[string]any{"error": "server_error", "error_description": "POST only"},
		},
		{
			name: "no JSON", method: http.MethodPost, path: "/token", body: "grantType=refresh_token", status: 400, fault: "InvalidRequestException",
			want: map[string]any{"error": "invalid_request", "error_description": "Invalid request"},
		},
		{
			name: "no client", method: http.MethodPost, path: "/token", body: "{}", status: 400, fault: "InvalidRequestException",
			want: map[string]any{"error": "invalid_request", "error_description": "Invalid request"},
		},
		{
			name: "other grant", method: http.MethodPost, path: "/token", body: grant("authorization_code"), status: 400, fault: "UnsupportedGrantTypeException",
			want: map[string]any{"error": "unsupported_grant_type", "error_description": "Unsupported grant type"},
		},
		{
			name: "refresh", method: http.MethodPost, path: "/token", body: grant("refresh_token"), status: 200,
			want: map[string]any{"accessToken": "", "refreshToken": "", "tokenType": "Bearer", "expiresIn": ""},
		},
		{
			name: "refresh token used twice", method: http.MethodPost, path: "/token", body: grant("refresh_token"), status: 400, fault: "InvalidGrantException",
			want: map[string]any{"error": "invalid_grant", "error_description": "Invalid refresh token provided"},
		},
		{
			name: "credentials", method: http.MethodGet, path: portal, status: 200,
			want: map[string]any{"roleCredentials": ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, s.URL()+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("x-amz-sso_bearer_token", l.AccessToken)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err := errors.Join(err, resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			for name, value := range tt.want {
				if value == "" && got[name] != nil {
					got[name] = ""
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			fault, _, _ := strings.Cut(resp.Header.Get("x-amzn-ErrorType"), ":")
			if resp.StatusCode != tt.status || fault != tt.fault || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v, want %d %s", resp.StatusCode, resp.Header, tt.status, tt.fault)
			}
		})
	}
	// A wrong method is not recorded.
	if got := s.Requests()[0].Form.Encode(); got != "account_id=1" {
		t.Errorf("recorded %s", got)
	}
}
