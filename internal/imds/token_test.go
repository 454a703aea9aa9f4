package imds

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestIssue_LooksLikeEC2AndIsUnique(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	token := string(tokens.Issue(60))
	if len(token) != 56 || !strings.HasPrefix(token, "AQAEA") {
		t.Errorf("token %q is not 56 characters that begin with AQAEA", token)
	}
	if string(tokens.Issue(60)) == token {
		t.Error("two tokens are equal")
	}
}

func TestVerify_CountsSecondsDown(t *testing.T) {
	start := time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC)
	clock := start
	tokens := NewTokens([]byte("secret"), "i-1", func() time.Time { return clock })
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
			clock = start.Add(tt.after)
			if got := tokens.Verify(token, time.Time{}); got != tt.want {
				t.Errorf("%d seconds left, want %d", got, tt.want)
			}
		})
	}
}

func TestVerify_AcceptsOwnProcessAndInstanceOnly(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 5, 5, 10, 0, 0, 0, time.UTC) }
	token := string(NewTokens([]byte("one process"), "i-1", now).Issue(60))
	for _, tt := range []struct {
		name             string
		secret, instance string
		want             int
	}{
		{name: "after a reload", secret: "one process", instance: "i-1", want: 60},
		{name: "another instance", secret: "one process", instance: "i-2", want: 0},
		{name: "another process", secret: "another process", instance: "i-1", want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := NewTokens([]byte(tt.secret), tt.instance, now).Verify(token, time.Time{}); got != tt.want {
				t.Errorf("%d seconds left, want %d", got, tt.want)
			}
		})
	}
}

// TestVerify_RefusesForgeries changes every character to every other of the alphabet, every bit, and the length.
func TestVerify_RefusesForgeries(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	token := string(tokens.Issue(MaxTokenTTL))
	if tokens.Verify(token, time.Time{}) != MaxTokenTTL {
		t.Fatal("not valid")
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \x00\n"
	for i := range token {
		for _, c := range []byte(alphabet) {
			forged := token[:i] + string(c) + token[i+1:]
			if forged != token && tokens.Verify(forged, time.Time{}) != 0 {
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
		if tokens.Verify(base64.URLEncoding.EncodeToString(forged), time.Time{}) != 0 {
			t.Fatalf("valid with bit %d flipped", bit)
		}
	}
	for length := range raw {
		if tokens.Verify(base64.URLEncoding.EncodeToString(raw[:length]), time.Time{}) != 0 {
			t.Errorf("the first %d bytes are valid", length)
		}
	}
	for _, forged := range []string{
		base64.StdEncoding.EncodeToString(append(raw[:39:39], 0xff)), base64.URLEncoding.EncodeToString(append(raw, 0)), hex.EncodeToString(raw), string(raw),
		"", token[:55], token + "A", token + "=", token[1:], " " + token, token + "\n", strings.TrimRight(token, "="),
		strings.Repeat("A", 56), strings.ToLower(token), token + token, token[:28] + "\r\n" + token[30:],
	} {
		if tokens.Verify(forged, time.Time{}) != 0 {
			t.Errorf("%q is valid", forged)
		}
	}
}

func TestVerify_ManyClientsAtOnce(t *testing.T) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			var own []string
			for range 80 {
				own = append(own, string(tokens.Issue(MaxTokenTTL)))
			}
			for round := range 3 {
				for i, token := range own {
					if tokens.Verify(token, time.Time{}) == 0 {
						t.Errorf("token %d is not valid in round %d", i, round)
					}
				}
			}
		})
	}
	clients.Wait()
}

func FuzzVerify(f *testing.F) {
	tokens := NewTokens([]byte("secret"), "i-1", time.Now)
	valid := string(tokens.Issue(MaxTokenTTL))
	f.Add("")
	f.Add(strings.Repeat("A", 56))
	f.Add(string(NewTokens([]byte("other"), "i-1", time.Now).Issue(60)))
	f.Fuzz(func(t *testing.T, token string) {
		if token != valid && tokens.Verify(token, time.Time{}) != 0 {
			t.Errorf("%q is valid", token)
		}
	})
}
