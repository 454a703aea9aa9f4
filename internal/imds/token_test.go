package imds

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

var issued = time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC)

func atIssue() time.Time { return issued }

func TestIssue_TokensHaveFormatOfService(t *testing.T) {
	if token := string(NewTokens([]byte("secret"), "i-1", atIssue).Issue(60)); len(token) != 56 || !strings.HasPrefix(token, "AQAEA") {
		t.Errorf("token %q does not have 56 characters that start with AQAEA", token)
	}
}

func TestIssue_TokensDiffer(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", atIssue)
	if first, second := tokens.Issue(60), tokens.Issue(60); bytes.Equal(first, second) {
		t.Errorf("%s twice", first)
	}
}

func TestVerify_ReturnsRemainingSecondsRoundedUp(t *testing.T) {
	now := issued
	tokens := NewTokens([]byte("secret"), "i-1", func() time.Time { return now })
	token := string(tokens.Issue(60))
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{
		{0, 60},
		{time.Millisecond, 60},
		{time.Second, 59},
		{58500 * time.Millisecond, 2},
		{59999 * time.Millisecond, 1},
		{60 * time.Second, 0},
		{time.Hour, 0},
	} {
		t.Run(tt.after.String(), func(t *testing.T) {
			now = issued.Add(tt.after)
			if got := tokens.Verify(token); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestVerify_TokenIsBoundToSecretAndInstance(t *testing.T) {
	token := string(NewTokens([]byte("secret"), "i-1", atIssue).Issue(60))
	for _, tt := range []struct {
		name, secret, instance string
		want                   int
	}{
		{name: "reloaded instance", secret: "secret", instance: "i-1", want: 60},
		{name: "other instance", secret: "secret", instance: "i-2"},
		{name: "other process", secret: "other", instance: "i-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := NewTokens([]byte(tt.secret), tt.instance, atIssue).Verify(token); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// newToken returns a valid token with the Tokens that verify it.
func newToken(t *testing.T) (tokens *Tokens, token string, raw []byte) {
	t.Helper()
	tokens = NewTokens([]byte("secret"), "i-1", atIssue)
	token = string(tokens.Issue(MaxTokenTTL))
	raw, err := base64.URLEncoding.DecodeString(token)
	if tokens.Verify(token) != MaxTokenTTL || err != nil {
		t.Fatalf("%q is not valid, %v", token, err)
	}
	return tokens, token, raw
}

func TestVerify_RefusesAnyOtherCharacter(t *testing.T) {
	tokens, token, _ := newToken(t)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \x00\n"
	for i := range token {
		for _, c := range []byte(alphabet) {
			forged := token[:i] + string(c) + token[i+1:]
			if forged != token && tokens.Verify(forged) != 0 {
				t.Fatalf("%q is valid, forged at %d from %q", forged, i, token)
			}
		}
	}
}

func TestVerify_RefusesFlippedBits(t *testing.T) {
	tokens, _, raw := newToken(t)
	for bit := range 8 * len(raw) {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if tokens.Verify(base64.URLEncoding.EncodeToString(forged)) != 0 {
			t.Fatalf("valid with bit %d flipped", bit)
		}
	}
}

func TestVerify_RefusesOtherLengthsAndEncodings(t *testing.T) {
	tokens, token, raw := newToken(t)
	forgeries := []string{
		base64.StdEncoding.EncodeToString(append(raw[:39:39], 0xff)), base64.URLEncoding.EncodeToString(append(raw, 0)), hex.EncodeToString(raw), string(raw),
		"", token[:55], token + "A", token + "=", token[1:], " " + token, token + "\n", strings.TrimRight(token, "="),
		strings.Repeat("A", 56), strings.ToLower(token), token + token, token[:28] + "\r\n" + token[30:],
	}
	for length := range raw {
		forgeries = append(forgeries, base64.URLEncoding.EncodeToString(raw[:length]))
	}
	for _, forged := range forgeries {
		if tokens.Verify(forged) != 0 {
			t.Errorf("%q is valid", forged)
		}
	}
}

func FuzzVerify(f *testing.F) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	valid := string(tokens.Issue(MaxTokenTTL))
	f.Add("")
	f.Add(strings.Repeat("A", 56))
	f.Add(string(NewTokens([]byte("other"), "i-1", time.Now).Issue(60)))
	f.Fuzz(func(t *testing.T, token string) {
		if token != valid && tokens.Verify(token) != 0 {
			t.Errorf("%q is valid", token)
		}
	})
}
