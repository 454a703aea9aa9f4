package imds

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	clock := time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	secret := []byte("one process")
	tokens := NewTokens(secret, "i-1", now)
	token := string(tokens.Issue(60))

	if len(token) != 56 || !strings.HasPrefix(token, "AQAEA") {
		t.Errorf("token %q is not 56 characters from AQAEA on", token)
	}
	if string(tokens.Issue(60)) == token {
		t.Error("two tokens are equal")
	}
	for _, step := range []struct {
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
		clock = time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC).Add(step.after)
		if got := tokens.Verify(token); got != step.want {
			t.Errorf("after %v: %d seconds left, want %d", step.after, got, step.want)
		}
	}
	clock = time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC)

	if NewTokens(secret, "i-1", now).Verify(token) != 60 {
		t.Error("a reload makes tokens invalid")
	}
	if NewTokens(secret, "i-2", now).Verify(token) != 0 {
		t.Error("another instance's token is valid")
	}
	if NewTokens([]byte("another process"), "i-1", now).Verify(token) != 0 {
		t.Error("another process's token is valid")
	}
}

// TestForgeries changes every character to every other of the alphabet, and the length.
func TestForgeries(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	token := string(tokens.Issue(MaxTokenTTL))
	if tokens.Verify(token) != MaxTokenTTL { // from here on it is known
		t.Fatal("not valid")
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \x00\n"
	for i := range token {
		for _, c := range []byte(alphabet) {
			forged := token[:i] + string(c) + token[i+1:]
			if forged != token && tokens.Verify(forged) != 0 {
				t.Fatalf("%q is valid, forged at %d from %q", forged, i, token)
			}
		}
	}
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		forged := bytes.Clone(raw)
		forged[bit/8] ^= 1 << (bit % 8)
		if tokens.Verify(base64.URLEncoding.EncodeToString(forged)) != 0 {
			t.Fatalf("valid with bit %d flipped", bit)
		}
	}
	for length := range raw {
		if tokens.Verify(base64.URLEncoding.EncodeToString(raw[:length])) != 0 {
			t.Errorf("the first %d bytes are valid", length)
		}
	}
	for _, forged := range []string{
		base64.StdEncoding.EncodeToString(append(raw[:39:39], 0xff)), base64.URLEncoding.EncodeToString(append(raw, 0)), hex.EncodeToString(raw), string(raw),
		"", token[:55], token + "A", token + "=", token[1:], " " + token, token + "\n", strings.TrimRight(token, "="),
		strings.Repeat("A", 56), strings.ToLower(token), token + token, token[:28] + "\r\n" + token[30:],
	} {
		if tokens.Verify(forged) != 0 {
			t.Errorf("%q is valid", forged)
		}
	}
}

// TestKnownTokens has many more clients than tokens are remembered, of which each comes again.
func TestKnownTokens(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	var all []string
	for range 10 * knownTokens {
		all = append(all, string(tokens.Issue(MaxTokenTTL)))
	}
	for round := range 3 {
		for i, token := range all {
			if tokens.Verify(token) == 0 {
				t.Fatalf("token %d is not valid in round %d", i, round)
			}
		}
	}
	remembered := 0
	for i := range tokens.known {
		if tokens.known[i].Load() != nil {
			remembered++
		}
	}
	if remembered < knownTokens/2 {
		t.Errorf("%d tokens are remembered", remembered)
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
