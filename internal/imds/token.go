package imds

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// MaxTokenTTL is the longest life of a session token, 6 hours, in seconds (imds-reference section 3.1).
const MaxTokenTTL = 21600

// A token is 40 bytes: 3 bytes that make its text begin with "AQAE" like the real service's; the expiry in milliseconds
// since the epoch (6 bytes; below 4 in the first until the year 2109, so that the fifth character is "A"); the life up to
// there in microseconds (5 bytes), so that the time of issue is known; a nonce; and the first half of an HMAC-SHA256 over all
// before it.
const (
	tokenBytes  = 40
	expiryStart = 3
	lifeStart   = expiryStart + 6
	nonceStart  = lifeStart + 5
	macStart    = tokenBytes - sha256.Size/2
	tokenLength = 56
)

// tokenStart begins the bytes of each token.
const tokenStart = "\x01\x00\x04"

// tokenText is strict, so that a token has one text only.
var tokenText = base64.URLEncoding.Strict()

// Tokens issues and verifies the session tokens of one instance. It stores no token: a token holds what its verification
// needs, so that clients cannot fill memory.
type Tokens struct {
	key  []byte
	now  func() time.Time
	macs sync.Pool                  // of *maker
	left atomic.Pointer[ttlHeaders] // of the last answer
}

// ttlHeaders is the TTL header's value for a number of seconds.
type ttlHeaders struct {
	seconds int
	value   []string
}

// NewTokens makes the Tokens of an instance. The secret is the process's own, so that tokens of other processes and other
// instances are invalid.
func NewTokens(secret []byte, instanceID string, now func() time.Time) *Tokens {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("imds token " + instanceID))
	return &Tokens{key: mac.Sum(nil), now: now}
}

// Issue makes a token that is valid for ttl seconds.
func (t *Tokens) Issue(ttl int) []byte {
	var b [tokenBytes]byte
	copy(b[:], tokenStart)
	now := t.now()
	expires := now.Add(time.Duration(ttl) * time.Second).UnixMilli()
	putInt(b[expiryStart:lifeStart], expires)
	putInt(b[lifeStart:nonceStart], expires*1000-now.UnixMicro())
	_, _ = rand.Read(b[nonceStart:macStart]) // never fails
	sum := t.mac(b[:macStart])
	copy(b[macStart:], sum[:])
	text := make([]byte, tokenLength)
	tokenText.Encode(text, b[:])
	return text
}

// putInt fills b with a number that is not negative, the highest byte first.
func putInt(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(n & 0xff)
		n >>= 8
	}
}

// getInt returns what putInt has put.
func getInt(b []byte) (n int64) {
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// Verify returns for how many more seconds a token is valid, rounded up; 0 means that it is invalid. Tokens issued before since do not
// count, to the microsecond; the zero time is no limit.
func (t *Tokens) Verify(sent string, since time.Time) int {
	issued, expires, ok := t.authenticate(sent)
	if !ok || !since.IsZero() && issued.Before(since.Truncate(time.Microsecond)) {
		return 0
	}
	left := expires.Sub(t.now())
	if left <= 0 {
		return 0
	}
	return int((left + time.Second - 1) / time.Second)
}

// authenticate checks a token's HMAC, and returns when the token was issued and when it expires.
func (t *Tokens) authenticate(sent string) (issued, expires time.Time, ok bool) {
	if len(sent) != tokenLength {
		return issued, expires, false
	}
	var text [tokenLength]byte
	copy(text[:], sent)
	var b [tokenBytes + 2]byte // Decode writes as if there were padding
	n, err := tokenText.Decode(b[:], text[:])
	if err != nil || n != tokenBytes {
		return issued, expires, false
	}
	if sum := t.mac(b[:macStart]); !hmac.Equal(b[macStart:tokenBytes], sum[:tokenBytes-macStart]) {
		return issued, expires, false
	}
	end := getInt(b[expiryStart:lifeStart])
	return time.UnixMicro(end*1000 - getInt(b[lifeStart:nonceStart])), time.UnixMilli(end), true
}

// maker makes HMACs in its own memory, so that no call allocates.
type maker struct {
	hash hash.Hash
	in   [macStart]byte
	out  [sha256.Size]byte
}

// mac returns the HMAC of a token's first macStart bytes.
func (t *Tokens) mac(b []byte) [sha256.Size]byte {
	m, ok := t.macs.Get().(*maker)
	if !ok {
		m = &maker{hash: hmac.New(sha256.New, t.key)}
	}
	defer t.macs.Put(m)
	copy(m.in[:], b)
	m.hash.Reset()
	m.hash.Write(m.in[:])
	m.hash.Sum(m.out[:0])
	return m.out
}

// header returns the TTL header's value. Answers in a row often have the same, which is kept. It is shared and never changes.
func (t *Tokens) header(seconds int) []string {
	if last := t.left.Load(); last != nil && last.seconds == seconds {
		return last.value
	}
	made := &ttlHeaders{seconds, []string{strconv.Itoa(seconds)}}
	t.left.Store(made)
	return made.value
}
