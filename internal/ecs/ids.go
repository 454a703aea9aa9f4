package ecs

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// ID returns the id of a role: a UUID made of an HMAC. It is the same after a restart, and only the secret's holder can compute it.
// It is a secret itself.
func ID(secret []byte, role string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("ecs credentials " + role))
	b := mac.Sum(nil)
	b[6] = b[6]&0x0f | 0x40 // version 4, as the agent's
	b[8] = b[8]&0x3f | 0x80 // variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// IDs finds roles by their ids. It is immutable. It keeps hashes, so that the time of a look-up tells nothing about an id.
type IDs struct{ roles map[[sha256.Size]byte]string }

// idLength is that of a UUID's text.
const idLength = 36

// NewIDs makes the IDs of roles.
func NewIDs(secret []byte, roles []string) *IDs {
	ids := &IDs{make(map[[sha256.Size]byte]string, len(roles))}
	for _, role := range roles {
		ids.roles[sha256.Sum256([]byte(ID(secret, role)))] = role
	}
	return ids
}

// Role returns the role that has an id, and whether there is one.
func (i *IDs) Role(id string) (role string, ok bool) {
	var text [idLength]byte // a conversion would allocate
	if len(id) != len(text) {
		return "", false
	}
	copy(text[:], id)
	role, ok = i.roles[sha256.Sum256(text[:])]
	return role, ok
}

// isID reports whether a text has the form of an id, in any case of its letters.
func isID(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return len(text) == idLength
}
