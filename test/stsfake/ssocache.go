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

// SSOLogin is a login as `aws sso login` keeps it in ~/.aws/sso/cache; it is that file's JSON.
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

// WriteSession writes the file that a login for profiles with this sso_session leaves in folder cache, ~/.aws/sso/cache,
// and gives its name. The folder is made if it is missing.
func (l SSOLogin) WriteSession(cache, session string) (file string, err error) {
	return l.write(cache, session)
}

// WriteLegacy is WriteSession for profiles that name sso_start_url themselves: nothing to refresh by is kept for them.
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

// write replaces the file that belongs to key, readable by its owner alone.
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
