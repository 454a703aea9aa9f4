package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// secret is a code or a token of a session: 256 random bits in base64url. Printing it gives "[redacted]".
type secret string

// digest is what the daemon keeps of a secret. How long a comparison takes tells nothing: no client can choose a digest.
type digest [sha256.Size]byte

func newSecret() secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return secret(base64.RawURLEncoding.EncodeToString(b))
}

func (s secret) digest() digest { return sha256.Sum256([]byte(s)) }

const redacted = "[redacted]"

// Format implements fmt.Formatter for all verbs.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Format implements fmt.Formatter for all verbs: fmt does not ask fields that are not exported, such as the token.
func (redemption) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
