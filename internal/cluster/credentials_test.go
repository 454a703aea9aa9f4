package cluster

import (
	"fmt"
	"testing"
	"time"
)

func TestCredentialsFile_RefusesLongLivedKeysUnlessAllowed(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const secret = "wJalrXUtnFEMI"
	session := Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: secret, SessionToken: "token", Expiration: now.Add(time.Hour)}
	long := Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: secret}
	expired := session
	expired.Expiration = now
	endless := session
	endless.Expiration = time.Time{}
	broken := session
	broken.SessionToken = "to\nken"
	const file = "[default]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = " + secret + "\naws_session_token = token\n"
	for _, test := range []struct {
		name                string
		keys                Credentials
		allow               bool
		file, warning, want string
	}{
		{name: "session", keys: session, file: file, warning: "the keys of profile default expire at 2026-01-02T04:04:05Z: run up again before, or pods get none"},
		{name: "unknown expiry", keys: endless, file: file},
		{
			name: "long-lived", keys: long,
			want: "--credentials secret: profile default has a long-lived access key, which all who may read Secrets of the cluster would keep; " +
				"use --credentials relay, keys of a session, or --allow-long-lived-keys",
		},
		{
			name: "allowed", keys: long, allow: true, file: "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = " + secret + "\n",
			warning: "the Secret holds the long-lived access key of profile default: all who may read Secrets of the cluster have it",
		},
		{
			name: "long-lived with a token", keys: Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: secret, SessionToken: "token"},
			want: "--credentials secret: profile default has a long-lived access key, which all who may read Secrets of the cluster would keep; " +
				"use --credentials relay, keys of a session, or --allow-long-lived-keys",
		},
		{name: "expired", keys: expired, want: "--credentials secret: the keys of profile default expired at 2026-01-02T03:04:05Z; renew them"},
		{name: "none", want: "--credentials secret: profile default has no keys; name another profile, or use --credentials relay"},
		{name: "line break", keys: broken, want: "--credentials secret: the profile has a value with a line break; correct it in ~/.aws"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, warning, err := CredentialsFile("default", test.keys, test.allow, now)
			if test.want != "" {
				wantError(t, err, test.want)
			} else if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.file || warning != test.warning {
				t.Errorf("%s\n%s", got, warning)
			}
		})
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, session); text != "[redacted]" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
