package cli

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// scenarios are all sources of credentials, and all kinds of failures.
var scenarios = []scenario{
	{name: "keys", prepare: userKeys},
	{name: "own keys", prepare: userKeys, own: true},
	{name: "no profile", profile: "none", prepare: nothing, why: `profile "none" is in neither`},
	{name: "no credentials", prepare: awsConfig("[default]\nregion = us-east-1\n"), why: "holds no credentials"},
	{name: "half a key", prepare: awsConfig("[default]\naws_secret_access_key = " + hunter2 + "\n"), why: "partial credentials"},
	{name: "not AWS's format", prepare: awsConfig("aws_secret_access_key = " + hunter2 + "\n[default\n"), why: "the line belongs to no profile"},
	{name: "MFA", prepare: func(t *testing.T, v *vault) {
		testutil.Write(t, ".aws/config", "[default]\nrole_arn = "+baseARN+"\nsource_profile = default\nmfa_serial = arn:aws:iam::123456789012:mfa/d\nexternal_id = "+hunter2+"\n")
		userKeys(t, v)
	}, why: "waiting for MFA"},
	{name: "wrong secret key", prepare: func(t *testing.T, v *vault) {
		key := v.AddUser("developer")
		key.SecretAccessKey = hunter2
		testutil.Write(t, ".aws/credentials", profileFile(key))
	}, why: "the secret key of"},
	// The profile is another: credentials of the default one are still valid, and served.
	{name: "session without an end", profile: "endless", own: true, prepare: func(t *testing.T, v *vault) {
		text := profileFile(stsfake.Key{AccessKeyID: v.task.AccessKeyID, SecretAccessKey: v.task.SecretAccessKey})
		testutil.Write(t, ".aws/credentials", strings.Replace(text, "[default]", "[endless]", 1)+"aws_session_token = "+v.task.SessionToken+"\n")
	}, why: "do not say when they expire"},

	{name: "access denied", prepare: failing(stsfake.AccessDenied), why: "may not assume"},
	{name: "expired token", prepare: failing(stsfake.ExpiredToken), why: "ExpiredToken"},
	{name: "invalid token", prepare: failing(stsfake.InvalidClientTokenID), why: "InvalidClientTokenId"},
	{name: "region disabled", prepare: failing(stsfake.RegionDisabled), why: "RegionDisabledException"},
	{name: "throttled", prepare: failing(stsfake.Throttled), why: "Throttling"},
	{name: "500", prepare: failing(stsfake.InternalFailure), why: "InternalFailure"},
	{name: "503", prepare: failing(stsfake.ServiceUnavailable), why: "ServiceUnavailable"},
	{name: "malformed external id", prepare: failing(stsfake.Fault{
		Code:    "ValidationError",
		Message: "1 validation error detected: Value '" + hunter2 + "' at 'externalId' failed to satisfy constraint: Member must be otherwise",
	}), why: "Value '[redacted]' at 'externalId' failed"},
	{name: "STS with a password", prepare: endpoint(func(*testing.T) string { return "http://user:" + url.QueryEscape(hunter2) + "@127.0.0.1:9" }), why: "STS cannot be reached"},
	{name: "STS's address is none", prepare: endpoint(func(*testing.T) string { return "http://user:" + url.QueryEscape(hunter2) + "@ba d/" }), why: "Failed to parse uri"},
	{name: "an answer cut off", prepare: endpoint(func(t *testing.T) string {
		return answers(t, http.StatusOK, "text/xml", "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>"+hunter2)
	}), why: "STS sent an unreadable or truncated answer"},
	{name: "an answer with half of a key", prepare: endpoint(func(t *testing.T) string {
		return answers(t, http.StatusOK, "text/xml", "<AssumeRoleResponse><AssumeRoleResult><Credentials><SecretAccessKey>"+hunter2+
			"</SecretAccessKey></Credentials></AssumeRoleResult></AssumeRoleResponse>")
	}), why: "STS answered without credentials"},
	{name: "a login page", prepare: endpoint(func(t *testing.T) string {
		return answers(t, http.StatusForbidden, "text/html", "<html>"+hunter2)
	}), why: "sent an unreadable or truncated answer"},

	{name: "SSO", prepare: sso(func(v *vault) stsfake.SSOLogin { return v.LoginSSO("alice") })},
	{name: "own SSO", own: true, prepare: sso(func(v *vault) stsfake.SSOLogin { return v.LoginSSO("alice") })},
	{name: "SSO, refreshed", prepare: sso(func(v *vault) stsfake.SSOLogin { return v.ExpireSSO(v.LoginSSO("alice")) })},
	{name: "SSO, ended", prepare: sso(func(v *vault) stsfake.SSOLogin {
		login := v.LoginSSO("alice")
		v.RevokeSSO(login)
		return login
	}), why: "has ended"},
	{name: "SSO, not to be refreshed", prepare: sso(func(v *vault) stsfake.SSOLogin {
		login := v.ExpireSSO(v.LoginSSO("alice"))
		v.RevokeSSO(login)
		return login
	}), why: "cannot be renewed"},
	{name: "SSO, failing", prepare: func(t *testing.T, v *vault) {
		v.Fail(stsfake.InternalFailure, "GetRoleCredentials")
		sso(func(v *vault) stsfake.SSOLogin { return v.LoginSSO("alice") })(t, v)
	}, why: "is failing"},

	{name: "web identity", profile: "pod", prepare: func(t *testing.T, v *vault) {
		v.AddWebIdentity(hunter2, baseARN)
		testutil.Write(t, "token", hunter2)
		testutil.Write(t, ".aws/config", webIdentity("token"))
	}},
	{name: "wrong web identity", profile: "pod", prepare: func(t *testing.T, _ *vault) {
		testutil.Write(t, "token", hunter2+" and more")
		testutil.Write(t, ".aws/config", webIdentity("token"))
	}, why: "InvalidIdentityToken"},
	{name: "malformed web identity", profile: "pod", prepare: func(t *testing.T, v *vault) {
		v.Fail(stsfake.Fault{Code: "ValidationError", Message: "1 validation error detected: Value '" + hunter2 + "\n'" + hunter2 + "' at 'webIdentityToken' failed"})
		testutil.Write(t, "token", hunter2)
		testutil.Write(t, ".aws/config", webIdentity("token"))
	}, why: "Value '[redacted]' at 'webIdentityToken' failed"},
	{name: "web identity without a file", profile: "pod", prepare: awsConfig(webIdentity("no-token")), why: "cannot be read"},

	{name: "process", prepare: process("")},
	{name: "own process", own: true, prepare: process("")},
	{name: "process, rubbish", prepare: process("rubbish"), why: "its credential_process failed or printed something other"},

	{name: "container", prepare: container(func(v *vault) (int, string, string) { return http.StatusOK, "application/json", v.printed("") })},
	{name: "container, refusing", prepare: container(func(v *vault) (int, string, string) {
		return http.StatusForbidden, "text/html", v.printed(hunter2)
	}), why: "the container credentials service"},
	{name: "container, half a key", prepare: container(func(v *vault) (int, string, string) {
		return http.StatusOK, "application/json", `{"SecretAccessKey":"` + hunter2 + `","Token":"` + v.task.SessionToken + `"}`
	}), why: "InvalidClientTokenId"},
	{name: "container, no JSON", prepare: container(func(*vault) (int, string, string) {
		return http.StatusOK, "application/json", hunter2
	}), why: "sent an unreadable or truncated answer"},

	// From here on the environment has keys, which count where no profile is named.
	{name: "environment", profile: "-", prepare: func(t *testing.T, v *vault) {
		key := v.AddUser("developer")
		t.Setenv("AWS_ACCESS_KEY_ID", key.AccessKeyID)
		t.Setenv("AWS_SECRET_ACCESS_KEY", key.SecretAccessKey)
	}},
	{name: "environment, wrong", profile: "-", prepare: func(t *testing.T, _ *vault) {
		t.Setenv("AWS_SECRET_ACCESS_KEY", hunter2)
	}, why: "the secret key of the environment is wrong"},
}

func nothing(*testing.T, *vault) {}

func userKeys(t *testing.T, v *vault) {
	t.Helper()
	testutil.Write(t, ".aws/credentials", profileFile(v.AddUser("developer")))
}

func awsConfig(content string) func(*testing.T, *vault) {
	return func(t *testing.T, _ *vault) {
		t.Helper()
		testutil.Write(t, ".aws/config", content)
	}
}

func failing(f stsfake.Fault) func(*testing.T, *vault) {
	return func(t *testing.T, v *vault) {
		t.Helper()
		v.Fail(f)
		userKeys(t, v)
	}
}

func endpoint(of func(*testing.T) string) func(*testing.T, *vault) {
	return func(t *testing.T, v *vault) {
		t.Helper()
		t.Setenv("AWS_ENDPOINT_URL_STS", of(t))
		userKeys(t, v)
	}
}

func sso(login func(*vault) stsfake.SSOLogin) func(*testing.T, *vault) {
	return func(t *testing.T, v *vault) {
		t.Helper()
		if _, err := login(v).WriteSession(".aws/sso/cache", "corp"); err != nil {
			t.Fatal(err)
		}
		testutil.Write(t, ".aws/config", ssoConfig)
	}
}

func process(more string) func(*testing.T, *vault) {
	return func(t *testing.T, v *vault) {
		t.Helper()
		testutil.Write(t, "printed.json", v.printed(more))
		testutil.Write(t, ".aws/config", "[default]\ncredential_process = /bin/cat printed.json\n")
	}
}

func container(answer func(*vault) (status int, contentType, body string)) func(*testing.T, *vault) {
	return func(t *testing.T, v *vault) {
		t.Helper()
		status, contentType, body := answer(v)
		t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", answers(t, status, contentType, body))
		t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer "+hunter2)
		testutil.Write(t, ".aws/config", "[default]\nrole_arn = "+baseARN+"\nrole_session_name = base\ncredential_source = EcsContainer\n")
	}
}
