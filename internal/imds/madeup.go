package imds

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

const (
	base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// madeUp returns keys of the form and the length of others that no service has issued, for documents that must hold no real ones. A fault's
// are always the same.
func madeUp(real keys, fault string) keys {
	return keys{
		accessKeyID:     text("ASIA", base32Digits, len(real.accessKeyID), "id", fault),
		secretAccessKey: text("", base64Digits, len(real.secretAccessKey), "secret", fault),
		sessionToken:    text("IQoJb3JpZ2luX2Vj", base64Digits, len(real.sessionToken), "token", fault), // as all of STS begin
		accountID:       real.accountID,
	}
}

// text makes a text of digits that begins with prefix and depends on kind and fault alone. It is no secret.
func text(prefix, digits string, length int, kind, fault string) string {
	sum := sha256.Sum256([]byte("made up " + kind + " " + fault))
	source := rand.NewPCG(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:16]))
	b := []byte(prefix[:min(len(prefix), length)])
	for len(b) < length {
		b = append(b, digits[source.Uint64()%uint64(len(digits))])
	}
	return string(b)
}
