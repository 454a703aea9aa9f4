package podidentity

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 100  // of a set that are used
	minRSABits = 2048 // RFC 7518 section 3.3
)

// keySet holds public keys. It is immutable once it is stored.
type keySet struct {
	keys      []key
	read      time.Time // unused if permanent
	permanent bool      // it is never read anew
	// generation is that of the set before, plus 1 if the keys differ.
	generation uint64
}

// key is a public key: *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
type key struct {
	id        string // "" if the set does not say
	algorithm string // the only one that the set allows; "" allows all of the key's type
	public    any
}

// has reports whether a key of the set has an id.
func (s *keySet) has(id string) bool {
	for _, k := range s.keys {
		if k.id == id {
			return true
		}
	}
	return false
}

// parseKeySet parses a JSON Web Key Set (RFC 7517). It leaves out keys that cannot verify signatures of ours, as the RFC demands:
// secret and unknown ones, and those for encryption.
func parseKeySet(text []byte) (*keySet, error) {
	// jose.JSONWebKeySet refuses a set as a whole for one key of an unknown type.
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, errors.New("pod_identity.jwks is not a JSON Web Key Set; use the output of: kubectl get --raw /openid/v1/jwks")
	}
	set := &keySet{}
	for _, raw := range document.Keys {
		var k jose.JSONWebKey
		if len(set.keys) == maxKeys || k.UnmarshalJSON(raw) != nil || !k.IsPublic() || (k.Use != "" && k.Use != "sig") {
			continue
		}
		if public, ok := k.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
			continue
		}
		set.keys = append(set.keys, key{id: k.KeyID, algorithm: k.Algorithm, public: k.Key})
	}
	if len(set.keys) == 0 {
		return nil, errors.New("pod_identity.jwks holds no public key for signatures; use the output of: kubectl get --raw /openid/v1/jwks")
	}
	return set, nil
}
