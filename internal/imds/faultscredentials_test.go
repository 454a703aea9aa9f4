package imds

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
)

// secrets are those of fixedSource.
var secrets = []string{"ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2lu+/=="}

// realUntil is when the credentials of fixedSource expire.
var realUntil = renewed.Add(time.Hour)

type served struct {
	Code, Message, LastUpdated, AccessKeyID, SecretAccessKey, Token, Expiration, AccountID string
}

// bothDocuments gets the credential document and the extended one.
func bothDocuments(t *testing.T, target *Target) (all []*httptest.ResponseRecorder) {
	t.Helper()
	for _, path := range []string{rolePath, extendedPath} {
		w, _ := handle(target, get(path))
		if w.Code != http.StatusOK || w.Header().Get("Content-Length") != fmt.Sprint(w.Body.Len()) && w.Body.Len() > 300 {
			t.Errorf("%s: %d %v %q", path, w.Code, w.Header(), w.Body)
		}
		all = append(all, w)
	}
	return all
}

func parse(t *testing.T, w *httptest.ResponseRecorder) (d served) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return d
}

// at runs a test half an hour before the credentials expire.
func at(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(realUntil.Add(-30 * time.Minute)))
		test(t)
	})
}

func TestFault_ExpiresInShortensOnly(t *testing.T) {
	for _, tt := range []struct {
		in, want time.Duration
		hits     int64
	}{
		{5 * time.Minute, 5 * time.Minute, 2},
		{0, 0, 2},
		{30 * time.Minute, 30 * time.Minute, 0},
		{time.Hour, 30 * time.Minute, 0},
	} {
		at(t, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Credentials: &config.FaultCredentials{ExpiresIn: tt.in}})
			for _, w := range bothDocuments(t, target) {
				d := parse(t, w)
				if want := time.Now().Add(tt.want).Format(timeLayout); d.Expiration != want || d.AccessKeyID != secrets[0] || d.SecretAccessKey != secrets[1] || d.Token != secrets[2] {
					t.Errorf("%v: %+v, want until %s", tt.in, d, want)
				}
			}
			if rule.Hits() != tt.hits {
				t.Errorf("%v: %d hits, want %d", tt.in, rule.Hits(), tt.hits)
			}
		})
	}
}

func TestFault_KeysThatLeaveBrokenAreMadeUp(t *testing.T) {
	for name, spec := range map[string]config.Fault{
		"expired":            {Credentials: &config.FaultCredentials{Expired: true}},
		"truncate":           {Truncate: new(300)},
		"truncate by a byte": {Truncate: new(len(credentialsDocument) - 1)},
		"truncate, large":    {Truncate: new(100000)},
		"cut":                {Cut: new(300)},
		"cut, large":         {Cut: new(100000)},
		"stall":              {Stall: new(300)},
		"stall, large":       {Stall: new(100000)},
		"skew":               {Skew: time.Second},
		"skew, large":        {Skew: 1000 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(t *testing.T) {
				target, rule := faulty(t, spec)
				first := bothDocuments(t, target)
				for i, w := range bothDocuments(t, target) {
					for _, secret := range secrets {
						if bytes.Contains(w.Body.Bytes(), []byte(secret)) {
							t.Errorf("%q is in\n%s", secret, w.Body)
						}
					}
					if !bytes.Equal(w.Body.Bytes(), first[i].Body.Bytes()) {
						t.Errorf("the made-up keys change:\n%s\n%s", first[i].Body, w.Body)
					}
					if want := []int{len(credentialsDocument), len(extendedDocument)}[i]; strings.Contains(name, "large") && w.Body.Len() != want {
						t.Errorf("%d bytes, want %d", w.Body.Len(), want)
					}
				}
				if rule.Hits() != 4 {
					t.Errorf("%d hits, want 4", rule.Hits())
				}
			})
		})
	}
}

func TestFault_ExpiredDocumentsLookReal(t *testing.T) {
	at(t, func(t *testing.T) {
		target, _ := faulty(t, config.Fault{Credentials: &config.FaultCredentials{Expired: true}})
		for _, w := range bothDocuments(t, target) {
			d := parse(t, w)
			until, err := time.Parse(timeLayout, d.Expiration)
			if err != nil || !until.Before(time.Now()) || d.LastUpdated >= d.Expiration || d.Code != "Success" {
				t.Errorf("%+v", d)
			}
			if !strings.HasPrefix(d.AccessKeyID, "ASIA") || len(d.AccessKeyID) != 20 || len(d.SecretAccessKey) != 40 || len(d.Token) != len(secrets[2]) {
				t.Errorf("keys of another form: %+v", d)
			}
		}
	})
}

func TestMadeUp_DependsOnTheFaultAlone(t *testing.T) {
	real := keys{strings.Repeat("A", 20), strings.Repeat("s", 40), strings.Repeat("t", 900), "123456789012"}
	other := keys{strings.Repeat("B", 20), strings.Repeat("u", 40), strings.Repeat("v", 900), "123456789012"}
	a, b := madeUp(real, "a"), madeUp(real, "b")
	if a != madeUp(other, "a") || a.accessKeyID == b.accessKeyID || a.secretAccessKey == b.secretAccessKey ||
		a.sessionToken == b.sessionToken || a.secretAccessKey[:24] == a.sessionToken[16:40] || a.accountID != real.accountID {
		t.Errorf("%+v\n%+v", a, b)
	}
	if short := madeUp(keys{"A", "", "token", ""}, "a"); short.accessKeyID != "A" || short.secretAccessKey != "" || short.sessionToken != "IQoJb" {
		t.Errorf("%+v", short)
	}
	if !strings.HasPrefix(a.sessionToken, "IQoJb3JpZ2luX2Vj") || len(a.sessionToken) != 900 {
		t.Errorf("token %q", a.sessionToken)
	}
}

func TestFault_CodeIsAnErrorDocument(t *testing.T) {
	code := config.Fault{Credentials: &config.FaultCredentials{Code: "AssumeRoleUnauthorizedAccess"}}
	for _, tt := range []struct {
		name   string
		source *fixedSource
		status int
		want   string
	}{
		{"credentials", &fixedSource{}, 200, "AssumeRoleUnauthorizedAccess"},
		{"another error with 200", &fixedSource{&CredentialError{Code: "Failed"}}, 200, "AssumeRoleUnauthorizedAccess"},
		{"error with 503", &fixedSource{&CredentialError{Code: "Failed", Temporary: true}}, 503, "Failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target, rule := faulty(t, code)
			target.Credentials = tt.source
			for _, path := range []string{rolePath, extendedPath} {
				w, _ := handle(target, get(path))
				d := parse(t, w)
				if tt.status == 200 && d.LastUpdated != rule.Created.UTC().Format(timeLayout) {
					t.Errorf("%s: not of the time of the fault", w.Body)
				}
				if w.Code != tt.status || d.Code != tt.want || d.AccessKeyID+d.SecretAccessKey+d.Token != "" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			if w, _ := handle(target, get(idPath)); w.Body.String() != instanceID || rule.Hits() != int64(2*(503-tt.status)/303) {
				t.Errorf("%q, %d hits", w.Body, rule.Hits())
			}
		})
	}
}

func TestFault_SkewShiftsAllTimes(t *testing.T) {
	for _, by := range []time.Duration{-90 * time.Minute, 90 * time.Minute} {
		at(t, func(t *testing.T) {
			target, rule := faulty(t, config.Fault{Skew: by})
			for _, w := range bothDocuments(t, target) {
				d := parse(t, w)
				isReal := d.AccessKeyID == secrets[0] && d.SecretAccessKey == secrets[1] && d.Token == secrets[2]
				if d.Expiration != realUntil.Add(by).Format(timeLayout) || d.LastUpdated != renewed.Add(by).Format(timeLayout) || isReal != (by < 0) {
					t.Errorf("%v: %+v", by, d)
				}
				if got, want := w.Header().Get("Date"), time.Now().Add(by).UTC().Format(http.TimeFormat); got != want {
					t.Errorf("Date: %s, want %s", got, want)
				}
			}
			info, _ := handle(target, get("/latest/meta-data/iam/info"))
			if d := parse(t, info); d.LastUpdated != launch.Add(by).Format(timeLayout) {
				t.Errorf("iam/info: %+v", d)
			}
			document, _ := handle(target, get("/latest/dynamic/instance-identity/document"))
			if !bytes.Equal(document.Body.Bytes(), sample.IdentityDocument()) {
				t.Errorf("document: %s", document.Body)
			}
			if w, _ := handle(target, get("/nowhere")); w.Header().Get("Date") != "" || rule.Hits() != 4 {
				t.Errorf("404: %v, %d hits", w.Header(), rule.Hits())
			}
		})
	}
}

func TestCredentials_PrintNoSecret(t *testing.T) {
	c, _ := (&fixedSource{}).Credentials(t.Context())
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("test", "pointer", c, "value", *c)
	text := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", c, c, c, c, *c, *c, *c, *c) + log.String()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}
