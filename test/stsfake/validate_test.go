package stsfake_test

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/test/stsfake"
)

func TestAssumeRole_ValidatesTheForm(t *testing.T) {
	const one = "1 validation error detected: Value "
	long := func(n int) string { return strings.Repeat("a", n) }
	tags := func(n int) url.Values {
		form := url.Values{}
		for i := range n {
			form.Set("Tags.member."+strconv.Itoa(i+1)+".Key", "k"+strconv.Itoa(i))
			form.Set("Tags.member."+strconv.Itoa(i+1)+".Value", "v")
		}
		return form
	}
	arns := func(n int) url.Values {
		form := url.Values{}
		for i := range n {
			form.Set("PolicyArns.member."+strconv.Itoa(i+1)+".arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")
		}
		return form
	}
	validation := func(message string) answer { return answer{400, "ValidationError", message} }
	for _, tt := range []struct {
		name string
		form url.Values // an empty list removes the parameter
		want answer
	}{
		{name: "minimal", want: answer{Status: 200}},
		{name: "shortest", form: url.Values{"DurationSeconds": {"900"}, "RoleSessionName": {"ab"}}, want: answer{Status: 200}},
		{name: "longest", form: url.Values{"DurationSeconds": {"7200"}, "RoleSessionName": {long(64)}}, want: answer{Status: 200}},
		{name: "full tags", form: tags(50), want: answer{Status: 200}},
		{name: "full policies", form: arns(10), want: answer{Status: 200}},
		{name: "empty tag value", form: url.Values{"Tags.member.1.Key": {"team"}, "Tags.member.1.Value": {""}}, want: answer{Status: 200}},
		{
			name: "longer than the role allows", form: url.Values{"DurationSeconds": {"7201"}},
			want: validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role."),
		},
		{
			name: "too short", form: url.Values{"DurationSeconds": {"899"}},
			want: validation(one + "'899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"),
		},
		{
			name: "too long", form: url.Values{"DurationSeconds": {"43201"}},
			want: validation(one + "'43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200"),
		},
		{name: "duration that is no number", form: url.Values{"DurationSeconds": {"1h"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{
			name: "no session name", form: url.Values{"RoleSessionName": {}},
			want: validation(one + "null at 'roleSessionName' failed to satisfy constraint: Member must not be null"),
		},
		{
			name: "session name too short", form: url.Values{"RoleSessionName": {"a"}},
			want: validation(one + "'a' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"),
		},
		{
			name: "session name too long", form: url.Values{"RoleSessionName": {long(65)}},
			want: validation(one + "'" + long(65) + "' at 'roleSessionName' failed to satisfy constraint: Member must have length less than or equal to 64"),
		},
		{
			name: "session name with a slash", form: url.Values{"RoleSessionName": {"a/b"}},
			want: validation(one + `'a/b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`),
		},
		{
			name: "two problems", form: url.Values{"RoleSessionName": {"a"}, "DurationSeconds": {"1"}},
			want: validation("2 validation errors detected: Value 'a' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2; " +
				"Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"),
		},
		{name: "no role", form: url.Values{"RoleArn": {}}, want: validation(one + "null at 'roleArn' failed to satisfy constraint: Member must not be null")},
		{name: "not a role", form: url.Values{"RoleArn": {"arn:aws:iam::123456789012:user/dev"}}, want: validation("arn:aws:iam::123456789012:user/dev is invalid")},
		{name: "external id", form: url.Values{"ExternalId": {"a b"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "source identity", form: url.Values{"SourceIdentity": {"a"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "serial", form: url.Values{"SerialNumber": {"short"}, "TokenCode": {"123456"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "code", form: url.Values{"SerialNumber": {"GAHT12345678"}, "TokenCode": {"12345x"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "policy too long", form: url.Values{"Policy": {long(2049)}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "policy that is no JSON", form: url.Values{"Policy": {"{"}}, want: answer{Status: 400, Code: "MalformedPolicyDocument"}},
		{name: "policies", form: arns(11), want: answer{Status: 400, Code: "ValidationError"}},
		{name: "policy arn", form: url.Values{"PolicyArns.member.1.arn": {"x"}}, want: answer{Status: 400, Code: "ValidationError"}},
		{name: "tags", form: tags(51), want: answer{Status: 400, Code: "ValidationError"}},
		{
			name: "tag key", form: url.Values{"Tags.member.1.Key": {"a*"}, "Tags.member.1.Value": {"b"}},
			want: validation(one + `'a*' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`),
		},
		{name: "tag value", form: url.Values{"Tags.member.1.Key": {"a"}, "Tags.member.1.Value": {long(257)}}, want: answer{Status: 400, Code: "ValidationError"}},
		{
			name: "tag keys that differ by case", form: url.Values{
				"Tags.member.1.Key": {"a"}, "Tags.member.1.Value": {"x"}, "Tags.member.2.Key": {"A"}, "Tags.member.2.Value": {"x"},
			},
			want: answer{400, "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		},
		{
			name: "transitive key without a tag", form: url.Values{"TransitiveTagKeys.member.1": {"a"}},
			want: answer{400, "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},
		},
		{name: "packed", form: func() url.Values {
			form := tags(20)
			for i := range 20 {
				form.Set("Tags.member."+strconv.Itoa(i+1)+".Value", long(256))
			}
			return form
		}(), want: answer{Status: 400, Code: "PackedPolicyTooLarge"}},
		{name: "version", form: url.Values{"Version": {"2010-01-01"}}, want: answer{400, "InvalidAction", "Could not find operation AssumeRole for version 2010-01-01"}},
		{name: "action", form: url.Values{"Action": {"Assume"}}, want: answer{400, "InvalidAction", "Could not find operation Assume for version 2011-06-15"}},
		{name: "no action", form: url.Values{"Action": {}}, want: answer{Status: 400, Code: "MissingAction"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := stsfake.Start(t)
			s.AddRole(appRole, stsfake.MaxSession(2*time.Hour))
			form := url.Values{
				"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {appRole}, "RoleSessionName": {"web"},
			}
			maps.Copy(form, tt.form)
			got := readFault(t, send(t, s, s.AddUser("dev"), time.Now(), form.Encode()))
			if tt.want.Message == "" {
				got.Message = ""
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServeHTTP_RefusesOtherRequests(t *testing.T) {
	s := stsfake.Start(t)
	key := s.AddUser("dev")
	for _, tt := range []struct {
		name string
		form string
		edit func(*http.Request)
		want answer
	}{
		{name: "method", edit: func(r *http.Request) { r.Method = http.MethodPut }, want: answer{Status: 404, Code: "UnknownOperationException"}},
		{name: "path", edit: func(r *http.Request) { r.URL.Path = "/x" }, want: answer{Status: 404, Code: "UnknownOperationException"}},
		{name: "form", form: "Action=%zz", want: answer{Status: 400, Code: "MalformedInput"}},
		{name: "size", form: strings.Repeat("a", 1<<20), want: answer{Status: 413, Code: "RequestEntityTooLarge"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.edit == nil {
				tt.edit = func(*http.Request) {}
			}
			got := readFault(t, send(t, s, key, time.Now(), tt.form, tt.edit))
			got.Message = ""
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCheckRoleARN_AcceptsOnlyRoles(t *testing.T) {
	for roleARN, want := range map[string]bool{
		appRole: true,
		"arn:aws-us-gov:iam::123456789012:role/x": true,
		"arn:aws:iam::123456789012:user/dev":      false,
		"arn:aws:iam::123456789012:role/":         false,
		"arn:aws:iam:::role/x":                    false,
		"app":                                     false,
	} {
		t.Run(roleARN, func(t *testing.T) {
			if err := stsfake.CheckRoleARN(roleARN); (err == nil) != want {
				t.Errorf("got %v, want accepted %v", err, want)
			}
		})
	}
}
