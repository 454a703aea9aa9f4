package sts

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/test/stsfake"
)

func TestRetrieve_Errors(t *testing.T) {
	process := func(script string) string { return "[default]\ncredential_process = /bin/sh -c '" + script + "'\n" }
	for _, tt := range []failingSource{
		{
			name: "no files",
			want: failure{credentials.CodeProfile, `profile "default" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile default) or name another one in credentials.source_profile`, false},
		},
		{
			name:    "no such profile",
			prepare: func(t *testing.T, w *sources) { w.write(t, "credentials", keys("default", w.key)) },
			profile: "work",
			want:    failure{credentials.CodeProfile, `profile "work" is in neither of DIR/config, DIR/credentials; create it (aws configure --profile work) or name another one in credentials.source_profile`, false},
		},
		{
			name:    "profile without credentials",
			prepare: func(t *testing.T, w *sources) { w.config(t, "[default]\nregion = us-east-1\n") },
			want:    failure{credentials.CodeProfile, `profile "default" holds no credentials; add keys (aws configure --profile default), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon`, false},
		},
		{
			name: "metadata service as source",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
				w.config(t, "[default]\nrole_arn = "+roleARN+"\ncredential_source = Ec2InstanceMetadata\n")
			},
			want:    failure{credentials.CodeFailed, `profile "default" takes its credentials from EC2's metadata service, which has none here; outside EC2, name a profile with keys or SSO`, true},
			timeout: 20 * time.Second, // the SDK asks three times
		},
		{
			name: "malformed file",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", "[default\naws_secret_access_key = hunter2hunter2\n")
			},
			want: failure{credentials.CodeProfile, `DIR/credentials:1: the heading has no closing bracket; add it`, false},
		},
		{
			name: "profile with MFA",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nrole_arn = "+roleARN+"\nsource_profile = keys\nmfa_serial = arn:aws:iam::123456789012:mfa/d\n")
				w.write(t, "credentials", keys("keys", w.key))
			},
			want: failure{credentials.CodeUnauthorized, `waiting for MFA: profile "default" needs a code of the device arn:aws:iam::123456789012:mfa/d; run: mock-ec2-metadata mfa CODE (in Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)`, false},
		},
		{
			name:    "credential_process fails",
			prepare: func(t *testing.T, w *sources) { w.config(t, process("echo hunter2hunter2; exit 3")) },
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name:    "credential_process prints rubbish",
			prepare: func(t *testing.T, w *sources) { w.config(t, process("echo hunter2hunter2")) },
			want:    failure{credentials.CodeProfile, `profile "default": its credential_process failed or printed something other than credentials; run the command by hand to see why`, false},
		},
		{
			name: "SSO without login",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.awsapps.com/start\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" has no SSO session (CACHE/a0f1490a20d0211c997b44bc357e1972deab8ae3.json: no such file or directory); run: aws sso login --profile default`, false},
		},
		{
			name: "access key without secret key",
			prepare: func(t *testing.T, w *sources) {
				w.write(t, "credentials", "[default]\naws_access_key_id = "+w.key.AccessKeyID+"\n")
			},
			want: failure{credentials.CodeProfile, `profile "default" cannot be used: partial credentials: aws_secret_access_key is missing; fix it in DIR/credentials:2`, false},
		},
		{
			name: "circular source_profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nrole_arn = "+roleARN+"\nsource_profile = b\n[profile b]\nrole_arn = "+roleARN+"\nsource_profile = default\n")
			},
			want: failure{credentials.CodeProfile, `profile "b" cannot be used: source_profile forms a ring, default → b → default; fix it in DIR/config:6`, false},
		},
		{
			name: "malformed role_arn of the profile",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[default]\nrole_arn = garbage-that-is-long-enough\nsource_profile = keys\n")
				w.write(t, "credentials", keys("keys", w.key))
			},
			want: failure{credentials.CodeFailed, `profile "default" cannot get its own credentials (ValidationError: garbage-that-is-long-enough is invalid); fix it in DIR/config or DIR/credentials`, false},
		},
		{
			name:    "hanging credential_process",
			prepare: func(t *testing.T, w *sources) { w.config(t, process("exec sleep 5")) },
			want:    failure{credentials.CodeFailed, `the credential source of profile "default" did not answer in time; if it is a credential_process, run its command by hand to see why, else check the network`, true},
		},
		{
			name: "endpoint with a password",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_ENDPOINT_URL_STS", "http://user:hunter2@ba d/")
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `profile "default" cannot make the call: operation error STS: AssumeRole, failed to resolve service endpoint, Failed to parse uri: http://[redacted]@ba d/`, false},
		},
		{
			name: "region switched off",
			prepare: func(t *testing.T, w *sources) {
				w.Fail(stsfake.RegionDisabled)
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS is switched off in ap-southeast-2 for this account (RegionDisabledException: ` + stsfake.RegionDisabled.Message + `); activate it in IAM's account settings, or set another aws.region`, false},
		},
		{
			name: "role denied",
			prepare: func(t *testing.T, w *sources) {
				w.AddRole(roleARN, stsfake.Callers("999999999999"))
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeUnauthorized, `profile "default" may not assume ` + roleARN + ` (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: ` + roleARN + `); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it; if it asks for MFA, set credentials.mfa_serial`, false},
		},
		{
			name: "profile's own role denied",
			prepare: func(t *testing.T, w *sources) {
				w.config(t, "[profile chained]\nrole_arn = arn:aws:iam::123456789012:role/other\nsource_profile = default\n")
				w.write(t, "credentials", keys("default", w.key))
			},
			profile: "chained",
			want:    failure{credentials.CodeUnauthorized, `profile "chained" may not assume the role that it names itself (AccessDenied: User: arn:aws:iam::123456789012:user/developer is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/other)`, false},
		},
		{
			name: "unknown key",
			prepare: func(t *testing.T, w *sources) {
				w.key.AccessKeyID = "AKIAUNKNOWN0UNKNOWN0"
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeProfile, `the credentials of profile "default" are wrong or expired (InvalidClientTokenId: The security token included in the request is invalid.); renew them (aws configure --profile default, or aws sso login --profile default)`, false},
		},
		{
			name: "wrong secret",
			prepare: func(t *testing.T, w *sources) {
				w.key.SecretAccessKey = "hunter2hunter2hunter2hunter2hunter2hunter"
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeProfile, `the secret key of profile "default" is wrong (SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.); fix it (aws configure --profile default)`, false},
		},
		{
			name: "malformed session policy",
			prepare: func(t *testing.T, w *sources) {
				w.Fail(stsfake.Fault{Code: "MalformedPolicyDocument", Message: "Syntax errors in policy."})
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `AssumeRole of ` + roleARN + ` with profile "default" was refused (MalformedPolicyDocument: Syntax errors in policy.)`, false},
		},
		{
			name: "throttled",
			prepare: func(t *testing.T, w *sources) {
				w.Fail(stsfake.Throttled)
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS throttles calls (Throttling: Rate exceeded); retrying`, true},
		},
		{
			name: "no STS",
			prepare: func(t *testing.T, w *sources) {
				other := httptest.NewServer(http.NotFoundHandler())
				t.Cleanup(other.Close)
				t.Setenv("AWS_ENDPOINT_URL_STS", other.URL)
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `the endpoint that answers is not STS; check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between`, false},
		},
		{
			name: "throttled by a gateway",
			prepare: func(t *testing.T, w *sources) {
				w.Fail(stsfake.Fault{Status: 429, Code: "Busy", Message: "Come back later"})
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS throttles calls (Busy: Come back later); retrying`, true},
		},
		{
			name: "500",
			prepare: func(t *testing.T, w *sources) {
				w.Fail(stsfake.InternalFailure)
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS is failing (InternalFailure: The request processing has failed because of an unknown error, exception or failure.); retrying`, true},
		},
		{
			name: "connection refused",
			prepare: func(t *testing.T, w *sources) {
				t.Setenv("AWS_ENDPOINT_URL_STS", closedPort(t))
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS cannot be reached: dial tcp ADDRESS: connect: connection refused; check the network, aws.region (ap-southeast-2) and AWS_ENDPOINT_URL_STS`, true},
		},
		{
			name: "hanging",
			prepare: func(t *testing.T, w *sources) {
				w.Hang()
				w.write(t, "credentials", keys("default", w.key))
			},
			want: failure{credentials.CodeFailed, `STS cannot be reached: no answer in time; check the network, aws.region (ap-southeast-2) and AWS_ENDPOINT_URL_STS`, true},
		},
		{
			name:    "issued in the past",
			prepare: func(t *testing.T, w *sources) { w.write(t, "credentials", keys("default", w.key)) },
			ahead:   2 * time.Hour,
			want:    failure{credentials.CodeFailed, `the credentials that STS has just issued are expired already by this machine's clock (NOW); set the clock`, true},
		},
	} {
		t.Run(tt.name, tt.run)
	}
}
