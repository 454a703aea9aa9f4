package profile

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Profile is a profile and the source of its credentials: one of Source, Keys, SSO, Login, Process, WebIdentityTokenFile and
// CredentialSource, or none. Exported fields are all that decides which credentials they are.
type Profile struct {
	Name string
	// Role is assumed with the source's credentials; nil: those are the profile's own.
	Role *Role
	// Source is the profile that source_profile names, for a Role. It may be the profile itself, with its keys.
	Source *Profile
	Keys   *Keys
	SSO    *SSO
	// Login is the ARN of a login_session.
	Login string
	// Process is a credential_process as it stands in the file. Command returns its words.
	Process string
	// WebIdentityTokenFile holds the token that Role is assumed with. ~ and $HOME have been replaced.
	WebIdentityTokenFile string
	// CredentialSource is Environment, EcsContainer or Ec2InstanceMetadata, for a Role.
	CredentialSource string

	files    *Files
	entry    *entry
	noSource error // why there is no source; nil if nothing looks like one
}

// Role is a role to assume. Empty fields are not set.
type Role struct {
	ARN, ExternalID, MFASerial, SessionName string
	Duration                                time.Duration // zero: not set
}

// Keys are access keys. They are secret.
type Keys struct {
	AccessKeyID, SecretAccessKey, SessionToken, AccountID string
	File                                                  string // that has them
}

// Format redacts under every verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// SSO is a role of IAM Identity Center.
type SSO struct {
	Session                               string // name of the sso-session section; "": the older form without one
	Region, StartURL, AccountID, RoleName string
}

// Setting returns the value of any other key, such as ca_bundle, or "".
func (p *Profile) Setting(key string) string {
	v, _, _ := p.entry.get(key)
	return v.text
}

// Services returns the settings of the section that services names: service, key, value.
func (p *Profile) Services() map[string]map[string]string {
	all := map[string]map[string]string{}
	if p.files == nil {
		return all
	}
	if s := p.files.services[p.Setting("services")]; s != nil {
		for service, v := range s.keys {
			all[service] = v.nested
		}
	}
	return all
}

// Command returns the words of Process. The AWS CLI runs it without a shell.
func (p *Profile) Command() ([]string, error) {
	words, err := split(p.Process)
	if err == nil && len(words) == 0 {
		err = errEmpty
	}
	if err != nil {
		return nil, p.wrong("credential_process", "%w", err)
	}
	return words, nil
}

// NoSource says why a profile has no source of credentials, if something in it or in the files looks like one; else nil.
func (p *Profile) NoSource() error { return p.noSource }

// Format redacts under every verb.
func (p Profile) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "profile %q [redacted]", p.Name) }

// Error is a problem of a profile.
type Error struct {
	Profile string // whose line it is
	At      string // FILE:LINE; "" if Err names it
	Err     error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("profile %q cannot be used: %v", e.Profile, e.Err)
	if e.At == "" {
		return text
	}
	return text + "; fix it in " + e.At
}

func (e *Error) Unwrap() error { return e.Err }

// wrong makes the error of a key's line.
func (p *Profile) wrong(key, format string, args ...any) *Error {
	return &Error{p.Name, p.at(key), fmt.Errorf(format, args...)}
}

// at says where a key, or else the profile, is in the files: FILE:LINE.
func (p *Profile) at(key string) string {
	if v, s, ok := p.entry.get(key); ok {
		return where(s.file, v.line)
	}
	s := cmp.Or(p.entry.config, p.entry.credentials)
	return where(s.file, s.line)
}

func where(file string, line int) string { return file + ":" + strconv.Itoa(line) }
