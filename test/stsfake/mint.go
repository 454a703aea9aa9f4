package stsfake

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"time"
)

// tokenPrefix is how AWS's session tokens begin.
const tokenPrefix = "IQoJb3JpZ2luX2Vj"

// mintID makes a unique id: the prefix of its kind, then n characters of A-Z and 2-7.
func mintID(prefix string, n int) string {
	return prefix + base32.StdEncoding.EncodeToString(randomBytes(n))[:n]
}

// mintSecret makes a secret key of 40 characters.
func mintSecret() string { return base64.StdEncoding.EncodeToString(randomBytes(30)) }

// mintToken makes a session token of 640 characters.
func mintToken() string { return tokenPrefix + base64.StdEncoding.EncodeToString(randomBytes(468)) }

func newUUID() string {
	b := randomBytes(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// issue sets c's key, secret, token and expiry, and stores it. Lifetime, if set, overrides duration. The expiry is in whole
// seconds, as in the answer.
func (s *Server) issue(c *credential, now time.Time, duration time.Duration) *credential {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lifetime > 0 {
		duration = s.lifetime
	}
	c.keyID, c.secret, c.token = mintID("ASIA", 16), mintSecret(), mintToken()
	c.expires = now.Add(duration).Truncate(time.Second)
	s.keys[c.keyID] = c
	return c
}
