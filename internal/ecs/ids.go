package ecs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// ID returns the id by which a container gets the credentials of a role: a UUID made of an HMAC. role is a name of roles, or "" for
// the file's own credentials. container is the container's id, or for processes of this machine the file's instance id. The id is
// the same after a restart, and only the secret's holder can compute it. It is a secret itself.
func ID(secret []byte, role, container string) string {
	return derivedUUID(secret, "ecs credentials", role, container)
}

// EndpointID returns the id of a container in the paths of task metadata. It is made as ID is, and is no secret.
func EndpointID(secret []byte, container string) string {
	return derivedUUID(secret, "ecs endpoint", container)
}

// derivedUUID makes a UUID of an HMAC over parts. The first says what for.
func derivedUUID(secret []byte, parts ...string) string {
	mac := hmac.New(sha256.New, secret)
	for _, part := range parts {
		mac.Write(prefixed(part))
	}
	return uuid(mac.Sum(nil))
}

// prefixed returns a text with its length before it, so that no two lists of texts look the same.
func prefixed(text string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(len(text))), text...)
}

// uuid makes a UUID of at least 16 bytes, which it changes.
func uuid(b []byte) string {
	b[6] = b[6]&0x0f | 0x40 // version 4, as the agent's
	b[8] = b[8]&0x3f | 0x80 // variant of RFC 9562
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// Grant is what an id stands for; see ID.
type Grant struct{ Role, Container string }

// IDs finds grants by their ids. It is immutable. It keeps hashes, so that the time of a look-up tells nothing about an id.
type IDs struct{ grants map[[sha256.Size]byte]Grant }

// idLength is that of a UUID's text.
const idLength = 36

// NewIDs makes the IDs of grants.
func NewIDs(secret []byte, grants []Grant) *IDs {
	ids := &IDs{make(map[[sha256.Size]byte]Grant, len(grants))}
	for _, g := range grants {
		ids.grants[sha256.Sum256([]byte(ID(secret, g.Role, g.Container)))] = g
	}
	return ids
}

// Find returns what an id stands for, and whether there is such an id.
func (i *IDs) Find(id string) (g Grant, ok bool) {
	var text [idLength]byte // a conversion would allocate
	if len(id) != len(text) {
		return Grant{}, false
	}
	copy(text[:], id)
	g, ok = i.grants[sha256.Sum256(text[:])]
	return g, ok
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
