package imds

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// MaxTokenTTL is the longest life of a session token, 6 hours, in seconds (imds-reference section 3.1).
const MaxTokenTTL = 21600

// A token is 40 bytes: 3 bytes that make its text begin with "AQAE" as the real service's does, the expiry in
// milliseconds since the epoch (6 bytes; the first is below 4 until the year 2109, which makes the fifth character "A"),
// a nonce and the first half of an HMAC-SHA256 over all before it.
const (
	tokenBytes  = 40
	expiryStart = 3
	nonceStart  = expiryStart + 6
	macStart    = tokenBytes - sha256.Size/2
	tokenLength = 56
)

// tokenText is strict, so that no two texts stand for one token.
var tokenText = base64.URLEncoding.Strict()

// Tokens issues and verifies the session tokens of one instance. They hold all that is needed to verify them, so nothing
// is stored, whatever clients ask for.
type Tokens struct {
	key []byte
	now func() time.Time
}

// NewTokens makes the tokens of an instance. The secret is the process's own, so that another process's tokens, like
// another instance's, are not valid here.
func NewTokens(secret []byte, instanceID string, now func() time.Time) *Tokens {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("imds token " + instanceID))
	return &Tokens{key: mac.Sum(nil), now: now}
}

// Issue makes a token that lives ttl seconds.
func (t *Tokens) Issue(ttl int) string {
	var b [tokenBytes]byte
	copy(b[:], "\x01\x00\x04")
	ms := t.now().Add(time.Duration(ttl) * time.Second).UnixMilli()
	for i := nonceStart - 1; i >= expiryStart; i-- {
		b[i] = byte(ms)
		ms >>= 8
	}
	_, _ = rand.Read(b[nonceStart:macStart]) // never fails
	copy(b[macStart:], t.mac(b[:macStart]))
	return tokenText.EncodeToString(b[:])
}

// Verify says for how many more seconds a token is valid, at least 1; 0 when it is not.
func (t *Tokens) Verify(token string) int {
	if len(token) != tokenLength {
		return 0
	}
	var b [tokenBytes + 2]byte // room for the padding's share
	n, err := tokenText.Decode(b[:], []byte(token))
	if err != nil || n != tokenBytes {
		return 0
	}
	if !hmac.Equal(b[macStart:tokenBytes], t.mac(b[:macStart])) {
		return 0
	}
	var ms int64
	for _, c := range b[expiryStart:nonceStart] {
		ms = ms<<8 | int64(c)
	}
	left := time.UnixMilli(ms).Sub(t.now())
	if left <= 0 {
		return 0
	}
	return int((left + time.Second - 1) / time.Second)
}

func (t *Tokens) mac(b []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(b)
	return mac.Sum(nil)[:tokenBytes-macStart]
}
