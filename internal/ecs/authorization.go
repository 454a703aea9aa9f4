package ecs

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Authorization is what clients must send in the header Authorization, byte for byte. It keeps a hash only, and no way of printing
// it shows that.
type Authorization struct {
	sum [sha256.Size]byte
	// What clients get without the header, with another value, and with "Bearer " before the right one.
	none, wrong, prefixed denial
}

// NewAuthorization makes the Authorization of a value. The caller has trimmed it. key is the key of the configuration that has it, for
// messages.
func NewAuthorization(value, key string) *Authorization {
	return &Authorization{
		sum: sha256.Sum256([]byte(value)),
		none: newDenial("the Authorization header is missing",
			"give the client a file with the value of "+key+", and its path in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"+
				" (boto3 before 1.32: the value itself in AWS_CONTAINER_AUTHORIZATION_TOKEN)"),
		wrong: newDenial("the Authorization header is not the value of "+key,
			"compare it with the file that the client's AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names"),
		prefixed: newDenial(`the Authorization header has "Bearer " before the value of `+key,
			`remove "Bearer " from the file that the client's AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names`),
	}
}

// Format redacts under every verb.
func (Authorization) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "authorization [redacted]")
}

// bearer is what some clients put in front of the value, but no SDK (container-credentials-reference section 9, row 25).
const bearer = "Bearer "

// denial is an answer to a client whose header is not the configured one, and what the log says of it.
type denial struct {
	answer       answer
	reason, hint string
}

func newDenial(reason, hint string) denial {
	return denial{newError(http.StatusUnauthorized, "Unauthorized", reason+"; "+hint), reason, hint}
}

// check returns why a client is denied, and nil for a client that is not. Without an Authorization all clients are allowed. A
// client without the header is denied: JS comes so when it cannot read its file (container-credentials-reference section 7.2).
func (a *Authorization) check(h http.Header) *denial {
	if a == nil {
		return nil
	}
	sent := h["Authorization"]
	switch {
	case len(sent) == 0 || len(sent) == 1 && sent[0] == "":
		return &a.none
	case len(sent) == 1 && a.matches(sent[0]):
		return nil
	case len(sent) == 1 && len(sent[0]) > len(bearer) && strings.EqualFold(sent[0][:len(bearer)], bearer) && a.matches(sent[0][len(bearer):]):
		return &a.prefixed
	default:
		return &a.wrong
	}
}

// matches compares hashes, so that its time tells nothing about the value.
func (a *Authorization) matches(value string) bool {
	sum := sha256.Sum256([]byte(value))
	return subtle.ConstantTimeCompare(sum[:], a.sum[:]) == 1
}
