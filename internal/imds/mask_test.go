package imds

import "testing"

func TestMasked_LeavesNoSecret(t *testing.T) {
	for _, tt := range []struct {
		name, body, want string
		masked           bool
	}{
		{
			"a document", `{"Code" : "Success", "AccessKeyId" : "ASIA0123456789ABCDEF", "SecretAccessKey" : "s/e+c", "Token" : "t=="}`,
			`{"Code" : "Success", "AccessKeyId" : "****************CDEF", "SecretAccessKey" : "[redacted]", "Token" : "[redacted]"}`, true,
		},
		{"an error", `{"Code" : "AccessDenied", "Message" : "no"}`, `{"Code" : "AccessDenied", "Message" : "no"}`, false},
		{"a short key id", `{"AccessKeyId": "AKIA1234567"}`, `{"AccessKeyId": "***********"}`, true},
		{"a key alone, in lower case", `{"secretaccesskey":"s"}`, `{"secretaccesskey":"[redacted]"}`, true},
		{"no JSON", "aws_secret_access_key=s", "[redacted credentials]", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, masked := Masked([]byte(tt.body)); string(got) != tt.want || masked != tt.masked {
				t.Errorf("got %s, %v", got, masked)
			}
		})
	}
}
