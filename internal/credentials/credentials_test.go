package credentials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestCredentials_NoEncodingShowsSecrets(t *testing.T) {
	c := Credentials{AccessKeyID: "ASIAKEY", SecretAccessKey: "SECRETSECRET", SessionToken: "TOKENTOKEN", ARN: "arn:x", Expiration: time.Unix(0, 0)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", &c)
		fmt.Fprintf(&out, verb+"\n", struct{ C Credentials }{c})
		fmt.Fprintf(&out, verb+"\n", []*Credentials{&c})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "c", c, "p", &c)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "p", &c)
	if err := json.NewEncoder(&out).Encode(map[string]any{"c": c, "p": &c}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"SECRETSECRET", "TOKENTOKEN", fmt.Sprintf("%x", "SECRETSECRET")} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s shows in\n%s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "credentials of arn:x until 1970-01-01T00:00:00Z [redacted]") {
		t.Errorf("printed as\n%s", out.String())
	}
}

func TestMock_HasTheFormOfRealCredentials(t *testing.T) {
	now := time.Unix(1000, 999).UTC()
	m := &Mock{ARN: "arn:x", Lifetime: time.Hour, Now: func() time.Time { return now }}
	c, err := m.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.AccessKeyID) != 20 || !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.SecretAccessKey) != 40 || c.SessionToken == "" {
		t.Errorf("credentials of another form: %d, %d and %d characters", len(c.AccessKeyID), len(c.SecretAccessKey), len(c.SessionToken))
	}
	if want := time.Unix(1000, 0).Add(time.Hour); !c.Expiration.Equal(want) {
		t.Errorf("expire at %v, want %v", c.Expiration, want)
	}
}

func TestMock_EachRenewalHasAnotherKey(t *testing.T) {
	m := &Mock{ARN: "arn:x", Lifetime: time.Hour, Now: time.Now}
	known := map[string]bool{}
	for range 2000 {
		c, err := m.Retrieve(t.Context())
		if err != nil || len(c.AccessKeyID) != 20 || known[c.AccessKeyID] {
			t.Fatalf("%v after %d others, %v", c, len(known), err)
		}
		known[c.AccessKeyID] = true
	}
	if !known["ASIAMOCKEDCREDENTIAL"] {
		t.Error("the first has no key of its own")
	}
}
