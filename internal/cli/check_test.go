package cli

import (
	"strings"
	"testing"
)

func TestCheck_SaysWhoTheCredentialsAre(t *testing.T) {
	sts, key := startSTS(t)
	sts.AddRole(roleARN)
	for _, tt := range []struct {
		name string
		set  []string
		want string
	}{
		{name: "the profile's own", set: []string{"credentials.source_profile=default"}, want: "you would be " + key.UserARN + " until 2"},
		{
			name: "of a role", set: []string{"credentials.source_profile=default", "credentials.iam_role=" + roleARN},
			want: "you would be arn:aws:sts::123456789012:assumed-role/myrole/i-0123456789abcdef0 until 2",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"check", "--credentials"}
			for _, set := range tt.set {
				args = append(args, "--set", set)
			}
			if got := run(t, args...); got.code != 0 || !strings.Contains(got.stdout, tt.want) {
				t.Errorf("%+v\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCheck_WithoutATerminalNamesTheMFADevice has standard input that is no terminal.
func TestCheck_WithoutATerminalNamesTheMFADevice(t *testing.T) {
	startSTS(t)
	got := run(t, "check", "--credentials", "--set", "credentials.source_profile=default", "--set", "credentials.iam_role="+roleARN,
		"--set", "credentials.mfa_serial="+mfaDevice)
	const want = "mock-ec2-metadata: no credentials: a code of the MFA device " + mfaDevice +
		" is needed; run this on a terminal, where it asks for the code\n"
	if got.code != exitFailure || got.stderr != want {
		t.Errorf("%+v\nwant %s", got, want)
	}
}
