package stsfake

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// SSOLogin is the JSON of a file that `aws sso login` writes to ~/.aws/sso/cache.
type SSOLogin struct {
	StartURL              string    `json:"startUrl"`
	Region                string    `json:"region"`
	AccessToken           string    `json:"accessToken"`
	ExpiresAt             time.Time `json:"expiresAt"`
	ClientID              string    `json:"clientId,omitempty"`
	ClientSecret          string    `json:"clientSecret,omitempty"`
	RegistrationExpiresAt time.Time `json:"registrationExpiresAt,omitzero"`
	RefreshToken          string    `json:"refreshToken,omitempty"`
}

// WriteSession writes the file of a login for profiles with this sso_session to the directory cache (~/.aws/sso/cache) and
// returns its name. It makes the directory.
func (l SSOLogin) WriteSession(cache, session string) (file string, err error) {
	return l.write(cache, session)
}

// WriteLegacy is WriteSession for profiles that set sso_start_url themselves. Their file has no refresh token.
func (l SSOLogin) WriteLegacy(cache string) (file string, err error) {
	l.RefreshToken = ""
	return l.write(cache, l.StartURL)
}

// ReadLogin reads a file that WriteSession, WriteLegacy, an SDK or the CLI wrote.
func ReadLogin(file string) (SSOLogin, error) {
	var l SSOLogin
	content, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	err = json.Unmarshal(content, &l)
	return l, err
}

// write replaces the file of key, of mode 0600, atomically.
func (l SSOLogin) write(cache, key string) (file string, err error) {
	content, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	sum := sha1.Sum([]byte(key))
	file = filepath.Join(cache, hex.EncodeToString(sum[:])+".json")
	f, err := os.CreateTemp(cache, ".stsfake-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return file, nil
}
