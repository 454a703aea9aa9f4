package podidentity

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// remembering is a bubble with a Memory in front of its verifier.
type remembering struct {
	*bubble
	*Memory
	token string // of the key p256
}

func newRemembering(t *testing.T) *remembering {
	b := newBubble(t)
	claims := claimsOf("nbf", nil, "exp", time.Now().Add(1000*time.Hour).Unix())
	return &remembering{
		b, Remember(b.jwks, MemoryOptions{Now: time.Now}),
		sign(jwt.SigningMethodES256, p256(), map[string]any{"kid": "p256"}, claims),
	}
}

// wantToken checks whether the token is remembered, and what becomes of it.
func (r *remembering) wantToken(t *testing.T, remembered, valid bool) {
	t.Helper()
	if got := r.recall(r.token) != nil; got != remembered {
		t.Errorf("remembered: %v", got)
	}
	_, err := r.Verify(t.Context(), r.token)
	if _, isRefusal := errors.AsType[*Refusal](err); (err == nil) != valid || isRefusal == valid {
		t.Errorf("valid: %v", err)
	}
	synctest.Wait()
}

// withoutP256 is a key set that has another key under another id.
func withoutP256() []byte { return setOf(jose.JSONWebKey{Key: &p384().PublicKey, KeyID: "p384"}) }

func TestMemory_ForgetsTokensWhenTheKeysChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemembering(t)
		r.wantToken(t, false, true)
		r.wantToken(t, true, true)
		r.change(func() { r.set = withoutP256() })
		time.Sleep(unknownWait)
		r.want(t, "new", "refused", 2) // an unknown key id has them read
		r.wantToken(t, false, false)
	})
}

func TestMemory_TokensHaveTheKeysReadOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemembering(t)
		r.wantToken(t, false, true)
		r.change(func() { r.set = withoutP256() })
		time.Sleep(keysLife - time.Nanosecond)
		r.wantToken(t, true, true)
		time.Sleep(time.Nanosecond)
		if r.recall(r.token) == nil { // nobody waits for the keys
			t.Error("the token is forgotten before the keys are read")
		}
		synctest.Wait()
		r.wantToken(t, false, false)
		if got := r.asked.Load(); got != 2 {
			t.Errorf("the keys were read %d times", got)
		}
	})
}

func TestMemory_KeepsTokensWhenTheKeysStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemembering(t)
		r.wantToken(t, false, true)
		for range 3 {
			time.Sleep(keysLife)
			r.wantToken(t, true, true)
			r.wantToken(t, true, true)
		}
		if got := r.asked.Load(); got != 4 {
			t.Errorf("the keys were read %d times", got)
		}
		r.change(func() { r.err = errors.New("connection refused") })
		time.Sleep(keysLife)
		r.wantToken(t, true, true)
		r.wantToken(t, true, true)
	})
}

func TestMemory_ForgetsAVerdictByKeysThatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &changing{counting: acceptAll()}
		v.do = func(token string) (*Claims, error) { v.keys++; return podOf(token), nil }
		m := Remember(v, MemoryOptions{Now: time.Now})
		if _, err := m.Verify(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if m.recall("a") != nil {
			t.Error("the verdict is remembered")
		}
	})
}

// changing is a verifier with generations of keys.
type changing struct {
	*counting
	keys uint64
}

func (c *changing) generation() uint64 { return c.keys }
